-- The at-the-money straddle of each date's nearest expiration at 10:00, by DuckDB over the days in `sealed`.
SET TimeZone = 'America/New_York';

WITH ten AS (
    SELECT *, (bid + ask) / 2 AS mid
    FROM read_parquet(getvariable('sealed'))
    -- Expirations further out are passed over without being read.
    WHERE root = 'SPXW' AND dte < 7 AND strftime("timestamp", '%H:%M') = '10:00' AND bid > 0
), straddles AS (
    SELECT call.date, call.expiration, call.strike, call.underlying_price AS underlying,
           round(call.mid + put.mid, 2) AS straddle, round((call.implied_vol + put.implied_vol) / 2, 4) AS iv
    FROM ten AS call JOIN ten AS put USING (date, root, expiration, strike)
    WHERE call."right" = 'C' AND put."right" = 'P'
)
SELECT date, expiration, underlying, strike, straddle, iv
FROM straddles
QUALIFY row_number() OVER (PARTITION BY date ORDER BY expiration, abs(strike - underlying)) = 1
ORDER BY date;
