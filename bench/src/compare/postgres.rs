//! PostgreSQL: one table, one prepared statement, one transaction a request.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio_postgres::{Client as Connection, Config, NoTls, Statement};
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, debian, free_address, said};
use crate::child::Server;
use crate::events::{Batch, EVENT_TYPE, payload};
use crate::publisher::Publisher;

/// Debian keeps the programs of each version apart, and out of the path.
const BIN: &str = "/usr/lib/postgresql/15/bin";
const USER: &str = "postgres";

const TABLE: &str = "
    CREATE TABLE events (
        position bigserial PRIMARY KEY,
        stream text NOT NULL,
        version bigint NOT NULL,
        type text NOT NULL,
        payload json NOT NULL,
        UNIQUE (stream, version)
    )";
const ONE: &str = "INSERT INTO events (stream, version, type, payload) VALUES ($1, $2, $3, $4::text::json)";
const MANY: &str = "INSERT INTO events (stream, version, type, payload) \
                    SELECT $1, version, $3, payload::json FROM unnest($2::bigint[], $4::text[]) AS new (version, payload)";

pub struct Postgres;

#[async_trait]
impl Peer for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn promise(&self) -> &'static str {
        "on disk (fdatasync) before the answer: `synchronous_commit = on`; a table with a position, a unique stream and \
         version, and the payload as `json`, which is cheaper than `jsonb`; one transaction a request, a batch is one \
         statement with 100 rows; all settings are the package's, but for 300 connections"
    }

    fn version(&self, _: &Programs) -> Result<String, Failure> {
        debian(&format!("{BIN}/postgres"), &["--version"], "postgresql-15")
    }

    async fn start(&self, _: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let (address, data, user) = (free_address()?, dir.join("data"), user()?);
        if let Some((_, id)) = &user {
            chown(dir, Some(*id), None)?;
        }
        let user = user.as_ref().map(|(name, _)| name.as_str());
        make(&data, user)?;
        let mut command = bound_command(&PathBuf::from(BIN).join("postgres"), user);
        command.arg("-D").arg(&data).args(["-p", &address.port().to_string()]).current_dir(dir);
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"];
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        // At once and without a checkpoint: the data is thrown away.
        let server = Server::start_at(address, &mut command, dir).await?.stop_gently(Signal::QUIT);
        let running = Running(server);
        running.connect_first().await?.batch_execute(TABLE).await?;
        Ok(Box::new(running))
    }
}

/// Whom to run it as: it refuses to be root.
fn user() -> Result<Option<(String, u32)>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let id = said("id", &["-u", USER]).and_then(|id| id.parse().ok());
    Ok(Some((
        USER.to_owned(),
        id.ok_or_else(|| format!("PostgreSQL refuses to be root, and there is no user {USER}"))?,
    )))
}

/// Makes an empty cluster.
fn make(data: &Path, user: Option<&str>) -> Result<(), Failure> {
    let mut command = bound_command(&PathBuf::from(BIN).join("initdb"), user);
    command.arg("-D").arg(data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    let output = command.current_dir(data.parent().unwrap_or(data)).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("initdb failed ({}); the user {USER} must be able to reach the directory: {said}", output.status)
        .into())
}

struct Running(Server);

impl Running {
    async fn connect(&self) -> Result<Connection, Failure> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.0.address.port()).user(USER).dbname("postgres");
        let (connection, driver) = config.connect(NoTls).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    /// It listens before it lets anybody in.
    async fn connect_first(&self) -> Result<Connection, Failure> {
        const TRIES: u32 = 100;
        for _ in 1..TRIES {
            if let Ok(connection) = self.connect().await {
                return Ok(connection);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.connect().await
    }
}

#[async_trait]
impl Store for Running {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure> {
        let mut clients: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
        for index in 0..connections {
            let connection = self.connect().await?;
            let insert = connection.prepare(if events == 1 { ONE } else { MANY }).await?;
            let stream = format!("orders-{events}-{index}");
            // A stream goes on where the client before left it.
            let version = connection
                .query_one("SELECT coalesce(max(version), 0) FROM events WHERE stream = $1", &[&stream])
                .await?
                .try_get(0)?;
            let payloads = vec![Batch::of(payload().into_bytes()); events];
            clients.push(Box::new(Client { connection, insert, stream, version, payloads }));
        }
        Ok(clients)
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        let row = self.connect().await?.query_one("SELECT count(*) FROM events", &[]).await?;
        Ok(Some(u64::try_from(row.try_get::<_, i64>(0)?)?))
    }
}

struct Client {
    connection: Connection,
    insert: Statement,
    stream: String,
    /// Of the stream, before the next request.
    version: i64,
    payloads: Vec<Batch>,
}

#[async_trait]
impl Publisher for Client {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        for (number, payload) in (first..).zip(&mut self.payloads) {
            payload.numbered(number);
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let Self { connection, insert, stream, version, payloads } = self;
        let texts = payloads.iter().map(|payload| std::str::from_utf8(payload.bytes()));
        let texts = texts.collect::<Result<Vec<&str>, _>>()?;
        let count = i64::try_from(texts.len())?;
        let rows = if let [text] = texts[..] {
            connection.execute(insert, &[stream, &(*version + 1), &EVENT_TYPE, &text]).await?
        } else {
            let versions: Vec<i64> = (*version + 1..=*version + count).collect();
            connection.execute(insert, &[stream, &versions, &EVENT_TYPE, &texts]).await?
        };
        if rows != texts.len() as u64 {
            return Err(format!("{rows} rows were inserted, not {}", texts.len()).into());
        }
        *version += count;
        Ok(())
    }
}
