//! Lines read as events and counted per key, on one thread: `cargo bench --bench watch`.
//!
//! Prints events a second for reading alone, for reading and counting with 100,000 keys, and for the whole way with the
//! monitor; redaction is done beforehand and not part of the figures. Time is that of the processor (what other
//! processes take of it does not count), memory what the allocator was asked for and has not got back.
//!
//! `--passes N PART` goes N times over 12,800 lines, with PART `read`, `count` or `watch`, so that the instructions of
//! an event can be counted.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop where it stands, and prints")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use logwarden::alert::{Monitor, Watch};
use logwarden::event::{EventConfig, Reader, Roles, SourceId, SourceReading, Text};
use logwarden::redact::{PseudonymKey, Redacted, Redactor};
use logwarden::units::Timestamp;
use logwarden::window::{Amounts, Aspect, Counts, KeyDelta, KeyId, Sighting, Slice, Tally, Visit, Word};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds that this thread has had of the processor.
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Resident memory of the process in bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        LIVE.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        LIVE.fetch_add(size as u64, Relaxed);
        LIVE.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);
const KEYS: u64 = 100_000;
const CHUNKS: usize = 400;
const LINES: u64 = 320;

/// An access line of about 800 bytes, as pino-http writes it; one in twenty is a combined text line.
fn line(n: u64, out: &mut String) {
    use std::fmt::Write;
    let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
    let t = 1_777_636_800_000 + n * 2;
    let status = if n.is_multiple_of(50) { 500 } else { 200 };
    if n % 20 == 1 {
        writeln!(
            out,
            "time=2026-05-01T12:00:00Z level=info msg=done method=GET path=/a status={status} client_ip=192.0.2.1"
        )
        .unwrap();
        return;
    }
    if n.is_multiple_of(20) {
        writeln!(out, "192.0.2.{} - - [01/May/2026:12:00:00 +0000] \"GET /v1/items/{n}?page=2 HTTP/1.1\" {status} 512 \"-\" \"curl/8.9.1\"", n % 250).unwrap();
        return;
    }
    let filler = "x".repeat(380);
    writeln!(
        out,
        "{{\"level\":30,\"time\":{t},\"pid\":4711,\"hostname\":\"web-7\",\"req\":{{\"id\":\"req-{n}\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"query\":{{}},\"headers\":{{\"host\":\"api.example.com\",\"user-agent\":\"openai-python/2.3\",\"content-length\":\"812\"}},\"remoteAddress\":\"192.0.2.{}\",\"remotePort\":51234}},\"res\":{{\"statusCode\":{status},\"headers\":{{\"content-type\":\"application/json\",\"x-note\":\"{filler}\"}}}},\"apiKeyId\":\"key{key}\",\"responseTime\":{}.5,\"msg\":\"request completed\"}}",
        n % 250,
        n % 90
    )
    .unwrap();
}

/// What the parts are measured with.
struct Desk {
    redactor: Redactor,
    chunks: Vec<Redacted>,
    reader: Reader,
    monitor: Monitor,
}

impl Desk {
    fn new(chunks: usize) -> Self {
        let redactor = Redactor::new(PseudonymKey::new(0, b"bench"));
        let roles = Roles::new(&EventConfig::default()).unwrap();
        let mut worker = redactor.worker();
        let chunk = |c: u64| {
            let mut text = String::new();
            (0..LINES).for_each(|l| line(c * LINES + l, &mut text));
            let mut out = Redacted::default();
            worker.redact(text.as_bytes(), &mut out);
            out
        };
        let chunks = (0..chunks as u64).map(chunk).collect();
        let reader = Reader::new(&roles, SourceReading::default()).unwrap();
        let monitor = Monitor::new(Watch::default(), &redactor).unwrap();
        Self { redactor, chunks, reader, monitor }
    }

    fn events(&self) -> f64 {
        (self.chunks.len() as u64 * LINES) as f64
    }

    /// One pass over all lines.
    fn pass(&mut self, part: &str) {
        let mut seen = 0;
        for chunk in &self.chunks {
            let mut tally = Tally::default();
            for line in chunk.lines() {
                let Some(event) = self.reader.read(line, NOW) else { continue };
                seen += 1;
                if part != "read" {
                    tally.add(&event, line);
                }
            }
            if part == "watch" {
                self.monitor.absorb(tally);
                self.monitor.tick(NOW);
            }
        }
        assert_eq!(f64::from(seen), self.events());
    }
}

const PARTS: [(&str, &str); 3] = [("read", "read"), ("count", "read and count"), ("watch", "read, count and watch")];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [mode, count, part] = &args[..]
        && mode == "--passes"
    {
        let mut desk = Desk::new(40);
        (0..count.parse().unwrap()).for_each(|_| desk.pass(part));
        return println!("{}", desk.events());
    }
    let mut desk = Desk::new(CHUNKS);
    let events = desk.events();
    let bytes: usize = desk.chunks.iter().map(|c| c.bytes().len()).sum();
    for (part, what) in PARTS {
        desk.pass(part);
        let before = ALLOCATIONS.load(Relaxed);
        desk.pass(part);
        let allocations = (ALLOCATIONS.load(Relaxed) - before) as f64 / events;
        let best = (0..5).map(|_| {
            let start = cpu_ns();
            desk.pass(part);
            (cpu_ns() - start) / 1e9
        });
        let s = best.fold(f64::INFINITY, f64::min);
        println!(
            "{what}: {:.2} M events/s, {:.0} ns an event, {:.2} GB/s, {allocations:.2} allocations an event",
            events / s / 1e6,
            s / events * 1e9,
            bytes as f64 / s / 1e9
        );
    }
    assert!(desk.monitor.keys().len() > 50_000);
    let Desk { redactor, .. } = desk;
    for keys in [100_000, 1_000_000] {
        memory(&redactor, keys);
    }
}

/// Keys as they are after three hours of use from two networks: with a profile, habits and a usual share of errors.
fn memory(redactor: &Redactor, keys: u64) {
    let (live, before) = (LIVE.load(Relaxed), resident());
    let mut monitor = Monitor::new(Watch::default(), redactor).unwrap();
    let start = 1_777_636_800;
    for hour in 0..4 {
        let at = Timestamp::from_secs(start + hour * 3600);
        for piece in 0..keys / 1000 {
            let mut tally = Tally::default();
            for n in piece * 1000..(piece + 1) * 1000 {
                let mut delta = KeyDelta::new(SourceId(0), at);
                let counts = Counts { uses: 3, ..Counts::default() };
                delta.count(Slice::at(at, counts, Amounts::default()));
                let ip = std::net::Ipv4Addr::from((n as u32).wrapping_mul(2_654_435_761) ^ (hour as u32 & 1) << 20);
                delta.visit(Visit { ip: ip.into(), first: at, last: at, uses: 3, refused: 0 });
                for (aspect, name) in [(Aspect::Endpoint, "POST /v1/chat"), (Aspect::Model, "small")] {
                    let word = Word::of(name.as_bytes());
                    tally.words.keep(word, name.as_bytes());
                    tally.sightings.note(&mut delta.sightings, Sighting { aspect, word, first: at, last: at, uses: 3 });
                }
                tally.keys.insert(KeyId::named("API_KEY_ID", Text::plain(format!("key{n}").as_bytes())), delta);
            }
            tally.events = 3000;
            monitor.absorb(tally);
            monitor.tick(at);
            monitor.dirty();
        }
    }
    assert_eq!(monitor.keys().len() as u64, keys);
    let (live, resident) = ((LIVE.load(Relaxed) - live) as f64, resident() - before);
    println!(
        "{keys} keys: {:.0} MB asked for, {:.0} bytes a key; {:.0} MB more resident",
        live / 1e6,
        live / keys as f64,
        resident / 1e6
    );
}
