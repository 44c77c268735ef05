//! How much of a warm call this program and the loopback take: measured with a client that answers without doing
//! anything.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
};

use anyhow::{Result, bail};
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    runtime::{Arrival, Runtime},
    stats::median,
    warm::micros,
};

const CALLS: usize = 2000;

/// The median of such calls, in microseconds.
pub(crate) async fn measure() -> Result<f64> {
    let (sender, mut arrivals) = unbounded_channel();
    let runtime = Runtime::start(sender).await?;
    let address = runtime.address.clone();
    thread::spawn(move || answer_at_once(&address));
    let mut times = Vec::with_capacity(CALLS);
    while times.len() < CALLS {
        match arrivals.recv().await {
            Some(Arrival::Asked) => runtime.invoke("{}".into()),
            Some(Arrival::Answered(answer)) => times.push(micros(answer.took)),
            Some(Arrival::Ended(why)) => bail!(why),
            None => bail!("the Runtime API ended"),
        }
    }
    Ok(median(&times))
}

/// A client that blocks. All its messages fit into one read. It ends with the Runtime API.
fn answer_at_once(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        stream.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let length = stream.read(&mut buffer)?;
        let head = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "));
        let id = id.ok_or(io::ErrorKind::UnexpectedEof)?;
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        stream.write_all(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes())?;
        if stream.read(&mut buffer)? == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_answered_and_timed() {
        let took = measure().await.unwrap();
        assert!(took > 0.0, "{took}");
    }
}
