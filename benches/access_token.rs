//! What a cached access token costs, beside the bare read of the storage that it comes from.
//! `cargo bench --bench access_token`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use logto::storage::{MemoryStorage, PersistKey, Storage};
use logto::{Clock, Logto, LogtoConfig, SystemClock};
use serde_json::{Map, Value, json};

/// As long as a Logto access token for a resource.
const TOKEN_LENGTH: usize = 570;

fn cached_access_token(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cached access token");
    for tokens in [1, 11, 100] {
        let storage = storage_with(tokens);
        let config = LogtoConfig::new("http://127.0.0.1:9", "app").resources([resource(0)]);
        let resource_0 = resource(0);
        let client = Logto::new(config).unwrap().client(storage.clone());
        group.bench_function(BenchmarkId::new("storage read", tokens), |bencher| {
            bencher.iter(|| black_box(storage.get(PersistKey::AccessTokenMap).unwrap()));
        });
        group.bench_function(BenchmarkId::new("access_token", tokens), |bencher| {
            bencher.iter(|| black_box(client.access_token(&resource_0).unwrap().unwrap()));
        });
    }
}

fn storage_with(tokens: usize) -> MemoryStorage {
    let expires_at = SystemClock.unix_seconds() + 3600;
    let map: Map<String, Value> = (0..tokens)
        .map(|n| {
            let token = format!("{n:x>TOKEN_LENGTH$}");
            (
                resource(n),
                json!({ "token": token, "expiresAt": expires_at }),
            )
        })
        .collect();
    let storage = MemoryStorage::new();
    let text = json!({ "x": map }).to_string();
    storage
        .set(PersistKey::AccessTokenMap, Some(&text))
        .unwrap();
    storage
}

fn resource(n: usize) -> String {
    format!("https://api-{n}.example.com")
}

criterion_group!(benches, cached_access_token);
criterion_main!(benches);
