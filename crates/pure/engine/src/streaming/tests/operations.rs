//! Random use of streams: what is read is a beginning of what was written, and all of it if both ended well.

use std::time::Duration;

use proptest::prelude::*;

use super::pair::*;

#[derive(Debug, Clone)]
enum Operation {
    Connect,
    Write { end: usize, bytes: usize },
    Read { end: usize },
    Close { end: usize },
    Reset { end: usize },
    Drop { end: usize },
    Block { host: usize, blocked: bool },
    Wait { millis: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let end = 0..6usize;
    prop_oneof![
        2 => Just(Operation::Connect),
        8 => (end.clone(), 1..80_000usize).prop_map(|(end, bytes)| Operation::Write { end, bytes }),
        8 => end.clone().prop_map(|end| Operation::Read { end }),
        2 => end.clone().prop_map(|end| Operation::Close { end }),
        1 => end.clone().prop_map(|end| Operation::Reset { end }),
        1 => end.prop_map(|end| Operation::Drop { end }),
        1 => (0..2usize, any::<bool>()).prop_map(|(host, blocked)| Operation::Block { host, blocked }),
        8 => (1..3000u64).prop_map(|millis| Operation::Wait { millis }),
    ]
}

struct Both {
    ends: Vec<(End, bool)>,
}

impl Both {
    fn adopt(&mut self, pair: &mut Pair) {
        for host in 0..2 {
            while let Some((id, rings)) = pair.hosts[host].incoming.pop() {
                self.ends.push((End::new(host, id, &rings, usize::MAX), false));
            }
        }
    }
}

fn run(seed: u8, link: Link, operations: Vec<Operation>) {
    let mut pair = Pair::new(seed, link);
    let mut both = Both { ends: Vec::new() };
    for operation in operations {
        match operation {
            Operation::Connect if both.ends.len() < 6 => {
                let from = usize::from(seed % 2);
                let (id, rings) = pair.connect(from);
                both.ends.push((End::new(from, id, &rings, usize::MAX), false));
            }
            Operation::Wait { millis } => pair.run(Duration::from_millis(millis)),
            Operation::Block { host, blocked } => {
                let to = pair.hosts[1 - host].hash;
                pair.hosts[host].streaming.set_blocked(pair.now, to, blocked);
                pair.drain();
            }
            Operation::Write { end, bytes } => on(&mut pair, &mut both, end, |end| end.write(end.written + bytes)),
            Operation::Read { end } => on(&mut pair, &mut both, end, |end| end.read(30_000)),
            Operation::Close { end } => on(&mut pair, &mut both, end, |end| end.rings.shutdown()),
            Operation::Reset { end } => on(&mut pair, &mut both, end, |end| end.rings.reset()),
            Operation::Drop { end } => {
                on(&mut pair, &mut both, end, |end| end.rings.detach());
                if let Some((_, dropped)) = both.ends.get_mut(end) {
                    *dropped = true;
                }
            }
            Operation::Connect => {}
        }
        both.adopt(&mut pair);
    }
    for host in 0..2 {
        let to = pair.hosts[1 - host].hash;
        pair.hosts[host].streaming.set_blocked(pair.now, to, false);
    }
    for _ in 0..300 {
        for index in 0..both.ends.len() {
            on(&mut pair, &mut both, index, |end| {
                end.rings.shutdown();
                end.read(100_000);
            });
        }
        pair.run(Duration::from_secs(2));
        both.adopt(&mut pair);
    }
    for host in &pair.hosts {
        assert!(host.streaming.is_empty(), "{} live", host.streaming.len());
    }
    // An end that read to a proper end has read all that some end of the other side wrote.
    for (end, _) in both.ends.iter().filter(|(end, _)| end.end == Some(Ok(()))) {
        let wrote_that = both.ends.iter().any(|(other, _)| other.host != end.host && other.written == end.read);
        assert!(wrote_that, "read {} and was told that's all", end.read);
    }
}

fn on(pair: &mut Pair, both: &mut Both, index: usize, act: impl FnOnce(&mut End)) {
    if let Some((end, dropped)) = both.ends.get_mut(index)
        && !*dropped
    {
        act(end);
        let (host, id, rings) = (end.host, end.id, std::sync::Arc::clone(&end.rings));
        pair.news(host, id, &rings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn bytes_are_conserved(
        seed in any::<u8>(),
        loss in 0..150u32,
        late in 0..50u32,
        operations in proptest::collection::vec(operation(), 5..60),
    ) {
        let link = Link { loss, late, repeats: 20, latency: Duration::from_millis(80), ..Link::default() };
        run(seed, link, operations);
    }
}
