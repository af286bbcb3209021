"""Where records come from, one folder each, and what they share: slots, patience, the session with one."""
