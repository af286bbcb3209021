"""The status log's tables and indexes; docs/output.md says what stands in them."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE processing_log (
    date TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'success', 'failed')),
    kind TEXT NOT NULL,
    started_at TEXT, completed_at TEXT,
    record_count INTEGER, expiration_count INTEGER, file_size_bytes INTEGER, checksum TEXT,
    error_message TEXT, error_type TEXT, retry_count INTEGER,
    processing_duration_ms INTEGER, api_requests_made INTEGER, temp_file_size_bytes INTEGER,
    memory_peak_mb REAL, created_at TEXT, updated_at TEXT,
    sealed_at TEXT, contracts INTEGER, contracts_missing INTEGER, complete INTEGER,
    unknown TEXT, unknown_count INTEGER, api_requests_failed INTEGER, runs INTEGER,
    underlying_open REAL, underlying_high REAL, underlying_low REAL, underlying_close REAL
) WITHOUT ROWID;
CREATE TABLE expiration_log (
    date TEXT NOT NULL, root TEXT NOT NULL, expiration TEXT NOT NULL, status TEXT NOT NULL,
    record_count INTEGER, bytes INTEGER, attempts INTEGER, error TEXT,
    PRIMARY KEY (date, root, expiration)
) WITHOUT ROWID;
CREATE TABLE error_log (
    id INTEGER PRIMARY KEY, date TEXT NOT NULL, error_type TEXT NOT NULL, error_message TEXT,
    stack_trace TEXT, retry_attempt INTEGER, context_data TEXT, occurred_at TEXT NOT NULL,
    resolved_at TEXT, resolution_method TEXT,
    event TEXT NOT NULL, stage TEXT, run TEXT, root TEXT, expiration TEXT
);
CREATE TABLE performance_metrics (
    id INTEGER PRIMARY KEY, date TEXT NOT NULL, metric_name TEXT NOT NULL, metric_value REAL NOT NULL,
    unit TEXT NOT NULL, context TEXT, recorded_at TEXT
);
CREATE TABLE quality (
    date TEXT PRIMARY KEY, score REAL, verdict TEXT CHECK (verdict IN ('good', 'warn', 'fail')),
    completeness REAL, quotes REAL, underlying REAL, arbitrage REAL, parity REAL, smile REAL, greeks REAL,
    complete INTEGER,
    contracts_expected INTEGER, contracts_received INTEGER, contracts_explained INTEGER,
    contracts_missing INTEGER,
    stamps_expected INTEGER, stamps_received INTEGER, stamps_explained INTEGER, stamps_missing INTEGER,
    rejected INTEGER, duplicates_dropped INTEGER, conflicts INTEGER,
    row_count INTEGER, rows_per_minute REAL, spread_median REAL, iv_level REAL,
    findings TEXT, session_findings TEXT
) WITHOUT ROWID;
CREATE TABLE quality_checks (
    date TEXT NOT NULL, code TEXT NOT NULL, part TEXT NOT NULL, unit TEXT NOT NULL,
    hits INTEGER NOT NULL, looked_at INTEGER NOT NULL, share REAL, score REAL, first_hit TEXT,
    PRIMARY KEY (date, code)
) WITHOUT ROWID;
CREATE TABLE inventory (
    path TEXT PRIMARY KEY, date TEXT NOT NULL, size INTEGER, checksum TEXT, rows INTEGER, created TEXT
) WITHOUT ROWID;
CREATE TABLE read_from (
    date TEXT PRIMARY KEY, sources TEXT NOT NULL, judgement TEXT NOT NULL, traffic TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE configuration (
    key TEXT PRIMARY KEY, value TEXT, description TEXT, value_type TEXT, is_required INTEGER NOT NULL,
    updated_at TEXT, updated_by TEXT
) WITHOUT ROWID;
CREATE TABLE configuration_history (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, old_value TEXT, new_value TEXT, changed_at TEXT NOT NULL,
    changed_by TEXT, file TEXT
);
CREATE TABLE form (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""

# After the rows are in: one sorting instead of an insertion for each of them.
INDEXES = """
CREATE INDEX processing_log_status ON processing_log (status);
CREATE INDEX processing_log_updated_at ON processing_log (updated_at);
CREATE INDEX processing_log_error_type ON processing_log (error_type);
CREATE INDEX expiration_log_status ON expiration_log (status);
CREATE INDEX error_log_date ON error_log (date);
CREATE INDEX error_log_error_type ON error_log (error_type);
CREATE INDEX performance_metrics_date ON performance_metrics (date);
CREATE INDEX quality_score ON quality (score);
CREATE INDEX quality_checks_code ON quality_checks (code);
CREATE INDEX inventory_date ON inventory (date);
"""

# Those with rows of single dates.
DATED = (
    "processing_log",
    "expiration_log",
    "error_log",
    "performance_metrics",
    "quality",
    "quality_checks",
    "inventory",
    "read_from",
)
