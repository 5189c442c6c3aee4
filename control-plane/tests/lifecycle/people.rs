//! Members and teams, and what becomes of keys when somebody changes or goes.
