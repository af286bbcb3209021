"""What a job of the workflow needs and what it goes without, for the rules and their scripts."""
