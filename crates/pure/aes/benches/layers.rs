//! Tunnel layers on messages of different tunnels: one by one, and as batches.

use divan::counter::ItemsCount;
use ramson_aes::{LayerJob, LayerKeys, encrypt_batch};

const SIZES: [usize; 7] = [1, 2, 4, 8, 12, 24, 64];

fn main() {
    divan::main();
}

fn tunnels(count: usize) -> (Vec<LayerKeys>, Vec<[u8; 1024]>) {
    let keys = (0_u8..).take(count).map(|n| LayerKeys::new(&[n; 32], &[!n; 32])).collect();
    (keys, vec![[7; 1024]; count])
}

#[divan::bench(args = SIZES)]
fn one_by_one(bencher: divan::Bencher<'_, '_>, count: usize) {
    let (keys, mut messages) = tunnels(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        for (keys, message) in keys.iter().zip(&mut messages) {
            keys.encrypt(message);
        }
    });
}

#[divan::bench(args = SIZES)]
fn batch(bencher: divan::Bencher<'_, '_>, count: usize) {
    let (keys, mut messages) = tunnels(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let mut jobs: Vec<_> = keys.iter().zip(&mut messages).map(|(keys, message)| LayerJob { keys, message }).collect();
        encrypt_batch(&mut jobs);
    });
}

#[divan::bench(args = SIZES)]
fn decrypt(bencher: divan::Bencher<'_, '_>, count: usize) {
    let (keys, mut messages) = tunnels(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        for (keys, message) in keys.iter().zip(&mut messages) {
            keys.decrypt(message);
        }
    });
}
