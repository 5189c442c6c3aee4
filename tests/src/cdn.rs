//! A real caching proxy, nginx, in front of the control plane's http lane, as docs/deploying.md has it.
//!
//! What it was asked, by whom, and whether it had the answer itself is in a log that tests read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::workspace;

const PATIENCE: Duration = Duration::from_secs(10);

/// How nginx keeps what it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// As it was told to.
    AsTold,
    /// Whatever it has, for an hour: a cache that is set up wrongly, or cut off from its origin.
    AnHour,
}

/// A running nginx, ended when dropped.
pub struct Cdn {
    _part: Part,
    listen: SocketAddr,
    log: PathBuf,
}

/// One request that nginx was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The field `Authorization` as it came; `-` without one.
    pub authorization: String,
    /// The path.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// Whether the answer lay in the cache and nobody else was asked.
    pub was_held: bool,
}

impl Cdn {
    /// Starts one on an address, in front of a control plane. Its cache lies in `folder`, and what an
    /// earlier one has left there it takes over.
    pub fn start(folder: &Path, listen: SocketAddr, control_plane: &str, keeping: Keeping) -> Result<Self> {
        let folder = workspace::folder(folder.to_owned())?;
        let here = folder.display();
        let keep = match keeping {
            Keeping::AsTold => "",
            Keeping::AnHour => "proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1h;",
        };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n{temporary}\
             log_format lane '$http_authorization|$uri|$status|$upstream_cache_status';\n\
             access_log {here}/access.log lane;\n\
             proxy_cache_path {here}/cache keys_zone=lane:1m inactive=1h use_temp_path=off;\n\
             server {{\nlisten {listen};\n\
             location / {{ return 404; }}\n\
             location /v1/snapshot/ {{\n\
             proxy_pass {control_plane};\nproxy_http_version 1.1;\n\
             proxy_cache lane;\nproxy_cache_key $uri;\n\
             proxy_cache_lock on;\nproxy_cache_revalidate on;\nproxy_cache_use_stale off;\n{keep}\n\
             }}\n}}\n}}\n"
        );
        let (file, log) = (folder.join("nginx.conf"), folder.join("access.log"));
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(&file);
        let mut part = Part::start("nginx", &command, &folder.join("nginx-said"))?;
        let client = Client::new(&ports::url(listen), None);
        part.wait_until(PATIENCE, || client.get("/")?.must_be(404).map(drop))?;
        Ok(Self { _part: part, listen, log })
    }

    /// The lane's URL, for an edge.
    pub fn lane(&self) -> String {
        format!("{}/v1/snapshot", ports::url(self.listen))
    }

    /// A client that shows this token, or none.
    pub fn client(&self, token: Option<&str>) -> Client {
        Client::new(&ports::url(self.listen), token.map(str::to_owned))
    }

    /// What it was asked of the lane so far.
    pub fn asked(&self) -> Result<Vec<Asked>> {
        let text = fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().filter_map(|line| {
            let mut fields = line.split('|').map(str::to_owned);
            let (authorization, path, status) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
            let was_held = fields.next()? == "HIT";
            Some(Asked { authorization, path, status, was_held })
        });
        Ok(lines.filter(|asked| asked.path.starts_with("/v1/snapshot/")).collect())
    }
}
