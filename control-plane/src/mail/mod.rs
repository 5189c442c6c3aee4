//! What is sent by mail. Knows SMTP and the use cases, and neither the API nor SQL.

mod exports;
mod sender;
mod waiting_file;

pub use exports::{EXPORTS_DIR, ExportMail, run};
pub use sender::{Mailer, SendError};
