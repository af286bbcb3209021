// The calendar of the dashboard.
"use strict";
