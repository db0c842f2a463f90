//! What the threads of a router cost on this machine apart from cryptography, by the names of the simulator's table `Costs`, which is
//! filled from it. Time of the processor is taken, not of the clock, as a thread that waits works nothing; of many samples the median.
//!
//! The other end of a loopback connection is on this machine too: a write does what the receiver's kernel does for it as well, and
//! wakes its thread. Where that is another one, it isn't counted: `system_call` is measured without.
//!
//! Run it on an idle machine: `cargo bench -p ramson-router --features benching --bench turns`

#![expect(clippy::print_stdout, reason = "a table for a person")]
#![expect(clippy::expect_used, clippy::panic, reason = "a harness fails by a panic")]

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use ramson_aes::LayerKeys;
use ramson_crypto::aead;
use ramson_crypto::rng::{self, SeededRng};
use ramson_lane::{Class, LaneCommand, LaneEvent, Relay, RelayRole};
use ramson_router::turns::{LaneAlone, nudge};
use ramson_router::{DataDir, Destination, DestinationConfig, Limits, Progress, Router, RouterConfig, new_destination};
use ramson_wire::{I2npMessage, MessageId, MessageKind, TunnelId};

const NET_ID: u8 = 99;
const SAMPLES: usize = 601;
/// So long a thread is left alone before it is woken: it has gone to sleep by then.
const PAUSE: Duration = Duration::from_micros(300);
/// Sessions of a lane in use.
const SESSIONS: u16 = 100;
/// Routers of the network in which an engine is in use, and the streams' destinations of that engine.
const ROUTERS: usize = 6;
const DESTINATIONS: usize = 4;
/// Messages of a short and of a long batch: both enough that sender and receiver work at the same time.
const FEW: u16 = 16;
const MANY: u16 = 48;
/// Bodies of short and of long messages; the long one is about what tunnels carry.
const SHORT: u16 = 64;
const LONG: u16 = 1024;
/// Bytes of socket calls between which the cost of a byte is taken.
const LITTLE: usize = 64;
const MUCH: usize = 60_000;

/// What a thread has worked.
struct Cpu(ClockId);

impl Cpu {
    fn own() -> Self {
        Self(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// Of the newest thread of this name.
    fn of(name: &str) -> Self {
        let tasks = std::fs::read_dir("/proc/self/task").expect("the list of threads");
        let of_name = tasks.filter_map(|task| {
            let task = task.ok()?;
            let named = std::fs::read_to_string(task.path().join("comm")).ok()?.trim_end() == name;
            task.file_name().to_str()?.parse::<libc::pid_t>().ok().filter(|_| named)
        });
        let thread = of_name.max().unwrap_or_else(|| panic!("no thread {name}"));
        // As Linux numbers the clocks of threads: the thread, then "of one thread" and "as scheduled".
        Self(ClockId::from_raw((!thread << 3) | 0b110))
    }

    fn nanos(&self) -> f64 {
        let time = clock_gettime(self.0).expect("a thread's clock");
        Duration::from(time).as_secs_f64() * 1e9
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().expect("samples")
}

fn row(name: &str, nanos: f64) {
    println!("{name:<32}{nanos:>12.3}");
}

/// Of this thread, less what looking at the clock takes.
fn own(mut work: impl FnMut()) -> f64 {
    let cpu = Cpu::own();
    let sample = |work: &mut dyn FnMut()| {
        let before = cpu.nanos();
        work();
        cpu.nanos() - before
    };
    let with: Vec<f64> = (0..SAMPLES).map(|_| sample(&mut work)).collect();
    median(with) - median((0..SAMPLES).map(|_| sample(&mut || {})).collect())
}

/// Of another thread, each time that `wake` has set it to work and it is asleep again.
fn other(cpu: &Cpu, mut wake: impl FnMut()) -> f64 {
    let [[nanos]] = others([cpu], [()], |()| wake());
    nanos
}

/// Of several threads, for each of these shapes of their work. They take turns, so that no shape has a quieter machine than another.
fn others<S: Copy, const M: usize, const N: usize>(threads: [&Cpu; M], shapes: [S; N], mut wake: impl FnMut(S)) -> [[f64; M]; N] {
    let mut samples = [const { [const { Vec::new() }; M] }; N];
    for _ in 0..SAMPLES {
        for (samples, shape) in samples.iter_mut().zip(shapes) {
            let before = threads.map(Cpu::nanos);
            wake(shape);
            std::thread::sleep(PAUSE);
            for (samples, (cpu, before)) in samples.iter_mut().zip(threads.iter().zip(before)) {
                samples.push(cpu.nanos() - before);
            }
        }
    }
    samples.map(|samples| samples.map(median))
}

fn lane(name: &str, seed: u16) -> (LaneAlone, Cpu) {
    let lane = LaneAlone::start(name, seed, NET_ID).expect("a lane's thread");
    // It names itself.
    std::thread::sleep(Duration::from_millis(5));
    (lane, Cpu::of(name))
}

/// A command that changes nothing.
fn nothing() -> LaneCommand {
    LaneCommand::RemoveOwn { tunnel: tunnel(1) }
}

fn tunnel(id: u32) -> TunnelId {
    TunnelId::new(id).expect("not zero")
}

/// Waits until so many events of a kind have come.
fn await_events(lane: &LaneAlone, count: u16, wanted: impl Fn(&LaneEvent) -> bool) {
    let (mut events, mut come) = (Vec::new(), 0);
    while come < usize::from(count) {
        lane.events(&mut events);
        come += events.drain(..).filter(&wanted).count();
    }
}

fn connect(from: &LaneAlone, to: &LaneAlone) {
    from.command([LaneCommand::Connect { info: to.info().clone() }]);
    await_events(from, 1, |event| matches!(event, LaneEvent::Connected { .. }));
    await_events(to, 1, |event| matches!(event, LaneEvent::Connected { .. }));
}

/// Without sessions, with one and with many; what comes back is the one with many, and its peers.
fn lane_turns() -> (LaneAlone, Cpu, Vec<LaneAlone>) {
    let (middle, cpu) = lane("middle", 0);
    let turn = |sessions: u16| {
        std::thread::sleep(Duration::from_millis(100));
        let nanos = other(&cpu, || middle.command([nothing()]));
        match sessions {
            SESSIONS => row("lane_turn", nanos),
            _ => row(&format!("  (with {sessions} sessions)"), nanos),
        }
    };
    turn(0);
    let peers = (1..=SESSIONS).map(|number| {
        let (peer, _) = lane(&format!("peer-{number}"), number);
        connect(&peer, &middle);
        if number == 1 {
            turn(1);
        }
        peer
    });
    let peers = peers.collect();
    turn(SESSIONS);
    (middle, cpu, peers)
}

fn start_router(folder: &Path, floodfill: bool) -> Router {
    let known = folder.join("known");
    let address = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let config = RouterConfig {
        net_id: NET_ID,
        hosts: address.clone(),
        binds: address,
        port: Some(0),
        reseed: vec![known.clone()],
        floodfill,
        limits: Limits::default(),
        danger_allow_reserved_peers: true,
        danger_ignore_subnets: true,
    };
    let home = tempfile::tempdir_in(folder).expect("a folder").keep();
    let router = Router::start(config, Arc::new(DataDir::open(&home).expect("a folder"))).expect("a router");
    let name = format!("routerInfo-{}.dat", ramson_wire::base64::encode(&router.hash().0));
    std::fs::write(known.join(name), router.router_info()).expect("a file");
    router
}

async fn open(router: &Router) -> Destination {
    let config =
        DestinationConfig { publish: true, accept: true, inbound_length: 2, outbound_length: 2, ..DestinationConfig::default() };
    let destination = router.open("bench", new_destination().expect("keys"), config);
    destination.ready().await.expect("a destination");
    destination
}

/// Of an engine that nothing is asked of, in a network and with destinations.
fn engine_turns() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("known")).expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let routers: Vec<_> = (0..ROUTERS).map(|number| start_router(folder.path(), number < 2)).collect();
    let user = routers.last().expect("a router");
    std::thread::sleep(Duration::from_millis(5));
    let cpu = Cpu::of("ramson-engine");
    let destinations = runtime.block_on(async {
        for router in &routers {
            router.progress().wait_for(|step| *step == Progress::Ready).await.expect("a network");
        }
        let mut destinations = Vec::new();
        for _ in 0..DESTINATIONS {
            destinations.push(open(user).await);
        }
        destinations
    });
    row("engine_turn", other(&cpu, || nudge(user)));
    drop(destinations);
    routers.iter().for_each(Router::shutdown);
}

/// Both ends in this thread, so that nobody is woken.
fn socket_calls() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut writer = TcpStream::connect(listener.local_addr()?)?;
    let (mut reader, _) = listener.accept()?;
    writer.set_nodelay(true)?;
    writer.set_nonblocking(true)?;
    reader.set_nonblocking(true)?;
    let (data, mut buffer) = (vec![7; MUCH], vec![0; 64 * 1024]);
    let cpu = Cpu::own();
    let mut calls = |size: usize| {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            let before = cpu.nanos();
            let written = writer.write(&data[..size]).expect("room");
            let between = cpu.nanos();
            let read = reader.read(&mut buffer).expect("bytes");
            reads.push(cpu.nanos() - between);
            writes.push(between - before);
            assert_eq!((written, read), (size, size), "one call takes all");
        }
        (median(writes), median(reads))
    };
    let clock = median((0..SAMPLES).map(|_| -(cpu.nanos() - cpu.nanos())).collect());
    let (little, much) = (calls(LITTLE), calls(MUCH));
    row("system_call", f64::midpoint(little.0, little.1) - clock);
    row("  (write)", little.0 - clock);
    row("  (read)", little.1 - clock);
    row("  (read in vain)", own(|| drop(black_box(reader.read(&mut buffer)))));
    let bytes = f64::from(u32::try_from(MUCH - LITTLE).expect("few"));
    row("  (a byte of a write)", (much.0 - little.0) / bytes);
    row("  (a byte of a read)", (much.1 - little.1) / bytes);
    Ok(())
}

/// What waking a thread costs the one that does it: each way between lane and engine it is one system call.
fn wake_ups(middle: &LaneAlone) {
    let cpu = Cpu::own();
    let clock = median((0..SAMPLES).map(|_| -(cpu.nanos() - cpu.nanos())).collect());
    let wake = |_| {
        std::thread::sleep(PAUSE);
        let before = cpu.nanos();
        middle.command([nothing()]);
        cpu.nanos() - before
    };
    row("  (waking a thread)", median((0..SAMPLES).map(wake).collect()) - clock);
}

fn message(lane: &LaneAlone, kind: MessageKind, body: Vec<u8>, rng: &mut SeededRng) -> I2npMessage {
    let expiration = lane.now().date + Duration::from_secs(30);
    I2npMessage::new(kind, MessageId(rng::below(rng, u32::MAX)), expiration, body)
}

fn is_message(event: &LaneEvent) -> bool {
    matches!(event, LaneEvent::Message { .. })
}

/// Nanoseconds of a byte of AEAD, and of a tunnel message's layer in a batch.
fn cryptography() -> (f64, f64) {
    let key = aead::Key::new(&[3; 32]);
    let seal = |len: u16| {
        let mut text = Vec::with_capacity(16 * 1024);
        own(|| {
            text.clear();
            text.resize(usize::from(len), 7);
            key.seal([0; 12], &[], &mut text);
        })
    };
    let keys = LayerKeys::new(&[1; 32], &[2; 32]);
    let mut messages = vec![[7; 1024]; usize::from(MANY)];
    let batch = own(|| {
        let jobs = messages.iter_mut().map(|message| ramson_aes::LayerJob { keys: &keys, message });
        ramson_aes::encrypt_batch(&mut jobs.collect::<Vec<_>>());
    });
    ((seal(14_000) - seal(1_000)) / 13_000.0, batch / f64::from(MANY))
}

/// What a batch costs the lane that sends it, the one that relays it and the one that takes it.
struct Batches<'a> {
    lanes: [(&'a LaneAlone, Cpu); 3],
    rng: SeededRng,
}

impl Batches<'_> {
    /// Straight: what each of these, of so many messages of such a length, costs sender and receiver.
    fn straight<const N: usize>(&mut self, shapes: [(u16, u16); N]) -> [[f64; 2]; N] {
        let [_, (from, sender), (to, receiver)] = &self.lanes;
        let rng = &mut self.rng;
        others([sender, receiver], shapes, |(count, len)| {
            let messages = (0..count).map(|_| LaneCommand::Send {
                to: to.info().hash(),
                message: message(from, MessageKind::GARLIC, vec![7; usize::from(len)], rng),
                class: Class::Own,
            });
            from.command(messages.collect::<Vec<_>>());
            await_events(to, count, is_message);
        })
    }

    /// Through a tunnel's participant, and what it costs that one.
    fn relayed<const N: usize>(&mut self, id: TunnelId, counts: [u16; N]) -> [f64; N] {
        let [(from, _), (relay, cpu), (to, _)] = &self.lanes;
        let rng = &mut self.rng;
        let costs = others([cpu], counts, |count| {
            let messages = (0..count).map(|_| {
                let mut body = id.get().to_be_bytes().to_vec();
                body.extend_from_slice(&rng::bytes::<1024>(rng));
                let message = message(from, MessageKind::TUNNEL_DATA, body, rng);
                LaneCommand::Send { to: relay.info().hash(), message, class: Class::Own }
            });
            from.command(messages.collect::<Vec<_>>());
            await_events(to, count, is_message);
        });
        costs.map(|[nanos]| nanos)
    }

    /// Has the one in the middle relay, and the last one take what comes as its own.
    fn install(&self) -> TunnelId {
        let [(from, _), (relay, _), (to, _)] = &self.lanes;
        let (id, next_tunnel, hour) = (tunnel(2), tunnel(3), Duration::from_secs(3_600));
        relay.command([LaneCommand::Install(Box::new(Relay {
            tunnel: id,
            role: RelayRole::Participant { next: to.info().hash(), next_tunnel },
            keys: LayerKeys::new(&[1; 32], &[2; 32]),
            previous: Some(from.info().hash()),
            expires: relay.now().tick + hour,
        }))]);
        to.command([LaneCommand::InstallOwn { tunnel: next_tunnel, expires: to.now().tick + hour }]);
        id
    }
}

fn messages(middle: &LaneAlone, middle_cpu: Cpu, peers: &[LaneAlone]) {
    let [first, second, ..] = peers else { panic!("no peers") };
    let lanes = [(first, Cpu::of("peer-1")), (middle, middle_cpu), (second, Cpu::of("peer-2"))];
    let mut batches = Batches { lanes, rng: SeededRng::new([9; 32]) };
    let (sealed_byte, layer) = cryptography();
    let more = f64::from(MANY - FEW);
    let [few, many, long] = batches.straight([(FEW, SHORT), (MANY, SHORT), (MANY, LONG)]);
    let bytes = f64::from(MANY) * f64::from(LONG - SHORT);
    let byte = [0, 1].map(|end| (long[end] - many[end]) / bytes - sealed_byte);
    let each = [0, 1].map(|end| (many[end] - few[end]) / more - f64::from(SHORT) * (byte[end] + sealed_byte));
    let socket_byte = f64::midpoint(byte[0], byte[1]);
    row("socket_byte", socket_byte);
    row("  (sent)", byte[0]);
    row("  (received)", byte[1]);
    let id = batches.install();
    let [few, many, one] = batches.relayed(id, [FEW, MANY, 1]);
    let relayed = (many - few) / more - 2.0 * f64::from(LONG) * (socket_byte + sealed_byte) - layer;
    row("lane_message", (each[0] + each[1] + relayed) / 3.0);
    row("  (sent)", each[0]);
    row("  (received)", each[1]);
    row("  (relayed)", relayed);
    row("  (relaying one alone, in all)", one);
}

fn main() {
    println!("{:<32}{:>12}", "", "nanoseconds");
    engine_turns();
    let (middle, cpu, peers) = lane_turns();
    socket_calls().expect("sockets");
    wake_ups(&middle);
    messages(&middle, cpu, &peers);
}
