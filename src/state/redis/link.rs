//! Questions to the store on one connection, each with a limit in time and counted. One without an answer ends the connection.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind};
use tokio::time::timeout;

use super::connect::Driver;
use super::fault::Fault;
use super::{Fleet, Operation};

/// A connection that stands.
pub(super) struct Link<'a> {
    connection: MultiplexedConnection,
    driver: Driver,
    fleet: &'a Fleet,
}

/// A script that the server runs in one step.
#[derive(Clone, Copy)]
pub(super) struct Script {
    pub(super) text: &'static str,
}

impl<'a> Link<'a> {
    pub(super) fn new(connection: MultiplexedConnection, driver: Driver, fleet: &'a Fleet) -> Self {
        Self {
            connection,
            driver,
            fleet,
        }
    }

    /// Several commands in one round trip.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        operation: Operation,
        commands: &Pipeline,
    ) -> Result<T, Fault> {
        let mut connection = self.connection.clone();
        self.within(operation, commands.query_async(&mut connection))
            .await?
            .map_err(Fault::from)
            .inspect_err(|fault| self.fleet.count(operation, Some(fault)))
            .inspect(|_| self.fleet.count(operation, None))
    }

    /// Runs a script by its digest, and by its text where the server does not have it yet.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        operation: Operation,
        script: Script,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<T, Fault> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let known = command("EVALSHA", &script.digest());
        let answer = match self.once(operation, &known).await? {
            Err(error) if is_unknown_script(&error) => {
                let told = command("EVAL", script.text);
                self.once(operation, &told).await?
            }
            answer => answer,
        };
        answer
            .map_err(Fault::from)
            .inspect_err(|fault| self.fleet.count(operation, Some(fault)))
            .inspect(|_| self.fleet.count(operation, None))
    }

    async fn once<T: FromRedisValue>(
        &self,
        operation: Operation,
        command: &Cmd,
    ) -> Result<Result<T, RedisError>, Fault> {
        let mut connection = self.connection.clone();
        self.within(operation, command.query_async(&mut connection))
            .await
    }

    async fn within<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        self.driver.allow_an_answer();
        match timeout(self.fleet.settings.timeout, answer).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                self.fleet.count(operation, Some(&Fault::Timeout));
                Err(Fault::Timeout)
            }
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

impl Script {
    /// The SHA-1 of its text, which is its name for the server.
    fn digest(self) -> String {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes());
        let bytes = digest.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}
