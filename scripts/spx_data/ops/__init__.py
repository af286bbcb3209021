"""What is done with a lake beside a fill: planned, watched, checked, tidied up, asked again."""
