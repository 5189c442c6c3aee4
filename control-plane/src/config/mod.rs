//! What the binary was told: flags, then `KEYWARD_*` variables, then a TOML file, then
//! defaults; and secrets, from variables or files.
//!
//! Everything is parsed here, once, into types; nothing behind this module reads the
//! environment. It must never print a secret, and so quotes no line of the TOML file.

pub mod error;
pub mod flags;
pub mod layers;
mod secret;
pub mod table;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::ConfigError;
pub use flags::{DatabaseScope, Flags, InitScope, InspectScope, PruneScope, RaiseEpochScope, ServeScope, VerifyScope};
pub use layers::{Environment, Layers, Origin};

use crate::secrets::SecretText;
use table::Setting;

/// Directory below the data directory that holds one file a secret.
const SECRETS_DIR: &str = "secrets";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the database is. May hold a password, and so does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, for the store only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Where a client's address is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// From its connection.
    Peer,
    /// From `X-Forwarded-For`, the nth from the right, for those behind proxies of ours.
    ForwardedFor(u8),
}

/// The Workers KV namespace to write to.
#[derive(Clone)]
pub struct KvTarget {
    /// The namespace's base URL, without a slash at the end.
    pub url: reqwest::Url,
    /// The account's token; none for a local KV that asks for none.
    pub token: Option<SecretText>,
}

/// How mail is sent.
#[derive(Clone)]
pub struct MailConfig {
    /// The server, and who sends.
    pub smtp_url: SecretText,
    /// Whom it is from.
    pub from: String,
    /// Where links lead, without a slash at the end.
    pub public_url: String,
    /// Bytes of a file that is attached, most.
    pub attached_bytes: u64,
}

/// Where logs go and how much of them.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Directives of the filter.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// How snapshots are published.
#[derive(Debug, Clone, Copy)]
pub struct Cadence {
    /// A head's life.
    pub head_ttl: Duration,
    /// The longest time between two heads.
    pub heartbeat: Duration,
    /// The longest time that an event of the audit log goes without a checkpoint.
    pub checkpoint_every: Duration,
    /// The shortest time between two heads in KV.
    pub kv_min_interval: Duration,
    /// How long edges have to warm a tree of another depth, where somebody says it.
    pub warm_up: Option<Duration>,
}

impl Layers<'_> {
    /// The data directory.
    pub fn data_dir(&self) -> Result<PathBuf, ConfigError> {
        let (value, origin) = self.value(&table::DATA_DIR)?;
        if value.is_empty() {
            return Err(invalid(origin, value, "a directory"));
        }
        Ok(PathBuf::from(value))
    }

    /// Where the database is; a file in the data directory unless said otherwise.
    pub fn database(&self) -> Result<DatabaseUrl, ConfigError> {
        let Some((value, origin)) = self.get(table::DATABASE.name)? else {
            let path = self.data_dir()?.join("keyward.db");
            return Ok(DatabaseUrl(format!("sqlite:{}", path.display())));
        };
        if !value.starts_with("sqlite:") {
            // The value is left out: a database URL may hold a password.
            return Err(invalid(origin, "…".to_owned(), "an sqlite: URL"));
        }
        Ok(DatabaseUrl(value))
    }

    /// The deployment's name.
    pub fn deployment(&self) -> Result<String, ConfigError> {
        let (value, origin) = self.value(&table::DEPLOYMENT)?;
        let fits = (1..=64).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(value) } else { Err(invalid(origin, value, "1 to 64 of a-z, 0-9 and -")) }
    }

    /// The address of the REST API.
    pub fn listen(&self) -> Result<SocketAddr, ConfigError> {
        let (value, origin) = self.value(&table::LISTEN)?;
        value.parse().map_err(|_| invalid(origin, value, "an IP address and a port, such as 127.0.0.1:8080"))
    }

    /// Where a client's address is taken from.
    pub fn client_address(&self) -> Result<ClientAddress, ConfigError> {
        let (value, origin) = self.value(&table::CLIENT_ADDRESS)?;
        if value == "peer" {
            return Ok(ClientAddress::Peer);
        }
        let nth = value.strip_prefix("xff:").and_then(|nth| nth.parse().ok()).filter(|nth| (1..=9).contains(nth));
        nth.map(ClientAddress::ForwardedFor).ok_or_else(|| invalid(origin, value, "peer, or xff:N with N from 1 to 9"))
    }

    /// The KV namespace, if there is one.
    pub fn kv(&self) -> Result<Option<KvTarget>, ConfigError> {
        let (value, origin) = self.value(&table::KV_URL)?;
        if value.is_empty() {
            return Ok(None);
        }
        let url = reqwest::Url::parse(value.trim_end_matches('/'))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(invalid(origin, value, "an http or https URL"));
        };
        let token = self.secret(&table::KV_TOKEN)?.map(|(token, _)| token);
        Ok(Some(KvTarget { url, token }))
    }

    /// How mail is sent, if it is.
    pub fn mail(&self) -> Result<Option<MailConfig>, ConfigError> {
        let (attached_bytes, _) = self.number(&table::MAIL_ATTACHED, 0, 20_000_000, "a number from 0 to 20000000")?;
        let Some((smtp_url, origin)) = self.secret(&table::SMTP_URL)? else {
            return Ok(None);
        };
        if !["smtp://", "smtps://"].iter().any(|scheme| smtp_url.expose().starts_with(scheme)) {
            let wanted = "an smtp: or smtps: URL";
            return Err(ConfigError::InvalidSecret { name: table::SMTP_URL.name, origin, wanted });
        }
        let (from, origin) = self.value(&table::SMTP_FROM)?;
        if !from.contains('@') {
            return Err(invalid(origin, from, "an address to send mail from, with smtp_url"));
        }
        let (public_url, origin) = self.value(&table::PUBLIC_URL)?;
        let is_url = reqwest::Url::parse(&public_url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
        if !is_url {
            return Err(invalid(origin, public_url, "an http or https URL, with smtp_url"));
        }
        let public_url = public_url.trim_end_matches('/').to_owned();
        Ok(Some(MailConfig { smtp_url, from, public_url, attached_bytes }))
    }

    /// How often to publish.
    pub fn cadence(&self) -> Result<Cadence, ConfigError> {
        let head_ttl = self.head_ttl()?;
        let (heartbeat, origin) = self.number(&table::HEARTBEAT, 10, 3600, "a number from 10 to 3600")?;
        if heartbeat > head_ttl.as_secs() / 2 {
            return Err(invalid(origin, heartbeat.to_string(), "at most half of head_ttl_seconds"));
        }
        let (checkpoint, _) = self.number(&table::CHECKPOINT, 1, 60, "a number from 1 to 60")?;
        let (interval, _) = self.number(&table::KV_MIN_INTERVAL, 0, 60_000, "a number from 0 to 60000")?;
        let warm_up = match self.get(table::WARM_UP.name)? {
            Some(_) => Some(self.number(&table::WARM_UP, 0, 3600, "a number from 0 to 3600")?.0),
            None => None,
        };
        Ok(Cadence {
            head_ttl,
            heartbeat: Duration::from_secs(heartbeat),
            checkpoint_every: Duration::from_secs(checkpoint),
            kv_min_interval: Duration::from_millis(interval),
            warm_up: warm_up.map(Duration::from_secs),
        })
    }

    /// How long a head is valid.
    pub fn head_ttl(&self) -> Result<Duration, ConfigError> {
        let (head_ttl, _) = self.number(&table::HEAD_TTL, 600, 2_592_000, "a number from 600 to 2592000")?;
        Ok(Duration::from_secs(head_ttl))
    }

    /// How long a retiring secret must not have been used.
    pub fn quiet_time(&self) -> Result<Duration, ConfigError> {
        let (quiet, _) = self.number(&table::QUIET, 60, 2_592_000, "a number from 60 to 2592000")?;
        Ok(Duration::from_secs(quiet))
    }

    /// What to log.
    pub fn log(&self) -> Result<LogConfig, ConfigError> {
        let (filter, filter_origin) = self.value(&table::LOG)?;
        if filter.parse::<tracing_subscriber::filter::Targets>().is_err() {
            return Err(invalid(
                filter_origin,
                filter,
                "a level, or directives such as info,keyward_control_plane=debug",
            ));
        }
        let (format, origin) = self.value(&table::LOG_FORMAT)?;
        let format = match format.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(invalid(origin, format, "text or json")),
        };
        Ok(LogConfig { filter, format })
    }

    fn number(
        &self,
        setting: &Setting,
        least: u64,
        most: u64,
        wanted: &'static str,
    ) -> Result<(u64, Origin), ConfigError> {
        let (value, origin) = self.value(setting)?;
        match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok((number, origin)),
            _ => Err(invalid(origin, value, wanted)),
        }
    }
}

/// The directory of the secrets below a data directory.
pub fn secrets_dir(data_dir: &Path) -> PathBuf {
    data_dir.join(SECRETS_DIR)
}

fn invalid(origin: Origin, value: String, wanted: &'static str) -> ConfigError {
    ConfigError::Invalid { origin, value, wanted }
}

#[cfg(test)]
mod tests;
