-- Which files of the folder in `lake` are sealed days: named for their date, in its folder, with the checksum
-- beside them. A plain glob finds copies as well, and their rows would count twice.
SET VARIABLE sealed = (
    SELECT list(file ORDER BY file)
    FROM (
        SELECT file, file[-18:-9] AS day
        FROM glob(getvariable('lake') || replace('/####/##/##/spx-options-####-##-##.parquet', '#', '[0-9]'))
    )
    WHERE ends_with(file, '/' || replace(day, '-', '/') || '/spx-options-' || day || '.parquet')
      AND file || '.sha256' IN (
        FROM glob(getvariable('lake') || replace('/####/##/##/spx-options-####-##-##.parquet.sha256', '#', '[0-9]'))
      )
);
