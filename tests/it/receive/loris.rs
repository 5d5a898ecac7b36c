//! Many slow clients, and a few honest ones beside them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::kit::{Service, request};

/// Connections of the slow clients.
const SLOW: usize = 2_000;

/// Addresses they come from.
const ADDRESSES: u8 = 40;

/// A connection from one of our loopback addresses.
fn connect_from(from: [u8; 4], to: SocketAddr) -> Option<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().ok()?;
        socket.bind((IpAddr::from(from), 0).into()).ok()?;
        let stream = socket.connect(to).await.ok()?.into_std().ok()?;
        stream.set_nonblocking(false).ok()?;
        Some(stream)
    })
}

#[test]
fn slow_clients_do_not_keep_honest_ones_waiting() {
    let service = Service::start("type = \"http\"\nlisten = \"ADDRESS\"\n");
    let (over, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut times = std::thread::scope(|scope| {
        for part in 0..4 {
            let (over, opened, to) = (&over, &opened, service.address);
            scope.spawn(move || slow(part, to, over, opened));
        }
        while opened.load(Ordering::Relaxed) < SLOW as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut times = Vec::new();
        for n in 0..300 {
            let began = Instant::now();
            let answer = request(service.address, "POST /ingest HTTP/1.1\r\n", format!("{{\"n\":{n}}}\n").as_bytes());
            times.push(began.elapsed());
            assert_eq!(answer.status, 200, "request {n}: {answer:?}\n{}", service.errors());
        }
        over.store(true, Ordering::Relaxed);
        times
    });
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let tried = opened.load(Ordering::Relaxed);
    let _for_the_curious =
        writeln!(std::io::stderr(), "honest beside {tried} slow connections: p50 {median:?}, p99 {p99:?}");
    assert!(tried >= SLOW as u64, "only {tried} slow connections");
    // Whoever waited for a slow client would wait until that one is cut off, for seconds. Of the slowest hundredth a commit
    // takes what the disk takes, and all else what the tests beside this one leave of the machine.
    assert!(median < Duration::from_millis(100) && p99 < Duration::from_secs(1), "p50 {median:?}, p99 {p99:?}");
    assert_eq!(service.out().lines().count(), 300);
    let told = || {
        service.errors().contains("source in: refused in the last 10 s: ") && service.errors().contains(" connection")
    };
    assert!(super::kit::until(told), "{}", service.errors());
}

/// Keeps a quarter of the slow connections open, a byte at a time; what is cut off is opened again.
fn slow(part: u8, to: SocketAddr, over: &AtomicBool, opened: &AtomicU64) {
    let mut streams: Vec<TcpStream> = Vec::new();
    let (mut next, mut mine) = (0u8, 0);
    while !over.load(Ordering::Relaxed) {
        // all at once in the beginning; then those that were cut off come back, 400 a second together
        for _ in 0..if mine < SLOW / 4 { 100 } else { 10 } {
            if streams.len() >= SLOW / 4 {
                break;
            }
            next = (next + 1) % (ADDRESSES / 4);
            if let Some(mut stream) = connect_from([127, 0, 1, part * (ADDRESSES / 4) + next + 1], to) {
                opened.fetch_add(1, Ordering::Relaxed);
                mine += 1;
                let _cut_off = stream.write_all(b"POST /ingest HTTP/1.1\r\nHost: x\r\nX-");
                let _only_slower = stream.set_nonblocking(true);
                streams.push(stream);
            }
        }
        streams.retain_mut(|stream| {
            let gone = matches!(stream.read(&mut [0; 16]), Ok(0)) || stream.write_all(b"a").is_err();
            !gone
        });
        std::thread::sleep(Duration::from_millis(100));
    }
}
