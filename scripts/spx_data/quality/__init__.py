"""Judgements on a trading date: what its records are worth, check by check, in points and by name.

Nothing here changes, drops or invents a record: sealed rows are what the source sent. Each module looks at
one thing and says which checks it makes (`CHECKS`); `catalogue` lists them all; `judgement` puts a day's
together.
"""

# What a passport says of single chains and minutes stands in this field, its last: who needs the day alone
# leaves it unread (`lake.passports.read`).
DETAILS = "details"
