//! Compiling, loading, looking up and changing one port: 1 000, 100 000 and 1 000 000 ports.
//!
//! `cargo bench --bench table`, or `cargo bench --bench table -- change` for one part of it. A change of one port is measured
//! end to end: from the text with that port changed until the engine answers by it (`source`), from the compiled table, where
//! the operator compiles once for all hypervisors (`compiled`), and the part of both that the packet thread is busy with
//! (`publish`).
//!
//! `cargo bench --bench table -- --program PORTS` measures `frontdesk compile` itself on the same sources as files: time and
//! memory. `-- --write-sources DIRECTORY PORTS` writes those files and does no more.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use frontdesk::engine::Engine;
use frontdesk::lease::{DeviceId, LeaseTable, Lookup, file, load};
use frontdesk::types::{Instant, MacAddr};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

/// Networks that the ports are spread over, each on a VLAN of its own.
const NETWORKS: usize = 50;

/// The fields of a port, as both forms write them: name and value, lists with one entry in brackets.
fn port(number: usize) -> [(&'static str, String); 8] {
    let network = number % NETWORKS;
    let [_, _, _, _, _, b, c, d] = (number as u64).to_be_bytes();
    let (high, low) = (number >> 16, number & 0xffff);
    [
        ("mac_address", format!("\"{}\"", MacAddr([0xfa, 0x16, 0x3e, b, c, d]))),
        ("network", format!("\"net{network}\"")),
        ("device", format!("\"tap{number:08x}\"")),
        ("fixed_ips", format!("[\"2001:db8:{:x}::{:x}:{low:x}\"]", network + 1, high + 1)),
        ("delegated_prefixes", format!("[\"3fff:{high:x}:{low:x}::/48\"]")),
        ("hostname", format!("\"vm-{number}.example.com\"")),
        ("device_id", format!("\"{number:08x}-3f2a-4d9b-9a5e-2b7c1d0e4f55\"")),
        ("project_id", format!("\"4c1b7a9d2e8f4b7ca1d3e5f708{:06x}\"", number % 1000)),
    ]
}

fn toml(ports: usize) -> String {
    let mut out = String::from("version = 1\nserver = { cloud = \"bench\" }\n");
    for i in 0..NETWORKS {
        let _ = writeln!(
            out,
            "[networks.net{i}]\nvlan = {vlan}\nmtu = 1450\nrouter = {{ mac_address = \"fa:16:3f:00:00:{i:02x}\" }}\n\
             dns_nameservers = [\"2001:db8::53\"]\ndns_domains = [\"example.com\"]\n\
             [[networks.net{i}.subnets]]\ncidr = \"2001:db8:{vlan:x}::/64\"\n\
             ipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"",
            vlan = i + 1,
        );
    }
    for number in 0..ports {
        out.push_str("\n[[ports]]\n");
        for (name, value) in port(number) {
            let _ = writeln!(out, "{name} = {value}");
        }
    }
    out
}

fn json(ports: usize) -> String {
    let rest: serde_json::Value = ::toml::from_str(&toml(0)).expect("the source is TOML");
    let rest = rest.to_string();
    let mut out = rest.strip_suffix('}').expect("an object").to_owned();
    out.push_str(",\"ports\":[");
    for number in 0..ports {
        out.push_str(if number == 0 { "\n{" } else { ",\n{" });
        for (i, (name, value)) in port(number).into_iter().enumerate() {
            let _ = write!(out, "{}\"{name}\": {value}", if i == 0 { "" } else { ", " });
        }
        out.push('}');
    }
    out.push_str("\n]}\n");
    out
}

fn table(name: &str, text: String) -> LeaseTable {
    match load(name, text.into_bytes()) {
        Ok(loaded) => loaded.table,
        Err(error) => panic!("{error}"),
    }
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for ports in SIZES {
        group.throughput(Throughput::Elements(ports as u64));
        for (form, text) in [("toml", toml(ports)), ("json", json(ports))] {
            let name = format!("leases.{form}");
            group.bench_function(BenchmarkId::new(form, ports), |bench| {
                bench.iter_batched(|| text.clone(), |text| table(&name, text), BatchSize::PerIteration);
            });
        }
    }
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for ports in SIZES {
        let table = table("leases.toml", toml(ports));
        let mut octets = Vec::new();
        file::write(&table, &mut octets).expect("memory");
        let text: usize = table.ports().map(|port| port.hostname().len() + port.metadata().len()).sum();
        println!("{ports} ports: {} octets of table, {:.1} per port beyond its text", octets.len(), {
            (octets.len() - text) as f64 / ports as f64
        });
        drop(table);
        let copy = octets.clone();
        allocated(&format!("{ports} ports opened"), || _ = black_box(file::read(copy)));
        group.throughput(Throughput::Elements(ports as u64));
        group.bench_function(BenchmarkId::from_parameter(ports), |bench| {
            let read = |octets| file::read(octets).expect("its own file");
            bench.iter_batched(|| octets.clone(), read, BatchSize::PerIteration);
        });
    }
}

/// Prints what a call on this thread allocates.
fn allocated(what: &str, call: impl FnOnce()) {
    let info = allocation_counter::measure(call);
    println!(
        "{what}: {} allocations, {} octets, at most {} at once",
        info.count_total, info.bytes_total, info.bytes_max
    );
}

/// Devices that the engine whose table changes is attached to.
const DEVICES: usize = 100;

fn serving(table: &Arc<LeaseTable>) -> Engine {
    let mut engine = Engine::new(Arc::clone(table), 1);
    for number in 0..DEVICES {
        let index = u32::try_from(number + 1).expect("few");
        engine.attach(index, &format!("tap{number:08x}"), MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
    }
    engine
}

/// Puts a table into the engine's hands. The one before is given back, as it is freed by another thread.
fn publish(engine: &mut Engine, table: Arc<LeaseTable>) -> Arc<LeaseTable> {
    let before = Arc::clone(engine.table());
    engine.publish(table, Instant(1));
    before
}

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for ports in SIZES {
        let text = toml(ports);
        let name = format!("\"vm-{}.example.com\"", ports / 2);
        let changed = text.replacen(&name, "\"another.example.com\"", 1);
        assert_ne!(text, changed, "one port is another");
        let [before, after] = [text, changed.clone()].map(|text| Arc::new(table("leases.toml", text)));
        let mut octets = Vec::new();
        file::write(&after, &mut octets).expect("memory");
        let mut engine = serving(&before);
        group.bench_function(BenchmarkId::new("source", ports), |bench| {
            let change = |text| publish(&mut engine, Arc::new(table("leases.toml", text)));
            bench.iter_batched(|| changed.clone(), change, BatchSize::PerIteration);
        });
        drop(changed);
        group.bench_function(BenchmarkId::new("compiled", ports), |bench| {
            let change = |octets| publish(&mut engine, Arc::new(file::read(octets).expect("its own file")));
            bench.iter_batched(|| octets.clone(), change, BatchSize::PerIteration);
        });
        drop(octets);
        let mut turn = [before, after].into_iter().cycle();
        let mut next = || turn.next().expect("it goes round");
        let table = next();
        allocated(&format!("{ports} ports published"), || _ = publish(&mut engine, table));
        group.bench_function(BenchmarkId::new("publish", ports), |bench| {
            bench.iter_batched(&mut next, |table| publish(&mut engine, table), BatchSize::PerIteration);
        });
    }
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("find");
    for ports in SIZES {
        let table = table("leases.toml", toml(ports));
        // A stride without a pattern, so that the processor's caches see what a busy host's see. Devices are numbered in
        // the order of their names, which is that of the ports.
        let mut number = 0;
        let mut next = move || {
            number = (number + 514_229) % ports;
            let [_, _, _, _, _, b, c, d] = (number as u64).to_be_bytes();
            let vlan = (number % NETWORKS) as u16 + 1;
            (vlan, MacAddr([0xfa, 0x16, 0x3e, b, c, d]), Some(DeviceId(number as u32)))
        };
        let (vlan, mac, device) = next();
        assert!(matches!(table.find(vlan, mac, device), Lookup::Found(_)), "a hit is a hit");
        let none = allocation_counter::measure(|| _ = black_box(table.find(vlan, mac, device)));
        assert_eq!(none.count_total, 0, "a look-up allocates");
        group.bench_function(BenchmarkId::new("hit", ports), |bench| {
            bench.iter(|| {
                let (vlan, mac, device) = next();
                table.find(black_box(vlan), black_box(mac), device)
            });
        });
        group.bench_function(BenchmarkId::new("miss", ports), |bench| {
            bench.iter(|| {
                let (vlan, MacAddr([_, b, c, d, e, f]), device) = next();
                table.find(black_box(vlan), black_box(MacAddr([0x0a, b, c, d, e, f])), device)
            });
        });
    }
}

/// Between two looks at the memory of a process: its most is kept by the kernel, so only what it takes in the last moment
/// is missed.
const LOOK: Duration = Duration::from_millis(2);

/// `frontdesk compile` of both forms of a source: time from its start to its end, and the most memory that was resident.
fn program(ports: usize) {
    let home = tempfile::tempdir().expect("a temporary directory");
    write_sources(home.path(), ports);
    for source in ["leases.toml", "leases.json"].map(|name| home.path().join(name)) {
        let table = source.with_extension("table");
        let started = std::time::Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.arg("compile").arg(&source).arg("-o").arg(&table).stdout(Stdio::null());
        let mut compiler = command.spawn().expect("frontdesk runs");
        let (status, mut most) = (format!("/proc/{}/status", compiler.id()), 0_u32);
        let ended = loop {
            if let Some(ended) = compiler.try_wait().expect("a child") {
                break ended;
            }
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(most);
            std::thread::sleep(LOOK);
        };
        assert!(ended.success(), "{ended}");
        let octets = |path: &Path| fs::metadata(path).map_or(0, |file| file.len()) as f64 / 1e6;
        println!(
            "frontdesk compile {}: {ports} ports, {:.0} MB of source, {:.0} MB of table, {:.2} s, {:.0} MiB resident",
            source.file_name().unwrap_or_default().display(),
            octets(&source),
            octets(&table),
            started.elapsed().as_secs_f64(),
            f64::from(most) / 1024.0
        );
    }
}

fn write_sources(directory: &Path, ports: usize) {
    for (name, text) in [("leases.toml", toml(ports)), ("leases.json", json(ports))] {
        fs::write(directory.join(name), text).expect("the directory can be written");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let behind =
        |flag: &str| arguments.iter().position(|argument| argument == flag).map(|at| &arguments[at + 1..]);
    let number = |text: &String| text.parse().expect("a number of ports");
    match (behind("--write-sources"), behind("--program")) {
        (Some([directory, ports, ..]), _) => return write_sources(Path::new(directory), number(ports)),
        (_, Some([ports, ..])) => return program(number(ports)),
        (None, None) => {}
        _ => panic!("--write-sources DIRECTORY PORTS, or --program PORTS"),
    }
    let mut criterion = Criterion::default().configure_from_args();
    compile(&mut criterion);
    open(&mut criterion);
    change(&mut criterion);
    find(&mut criterion);
    criterion.final_summary();
}
