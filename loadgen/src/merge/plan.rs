//! What the plans of runs that are added up have in common, and what they are together.

use crate::{Load, Offered, Plan};

/// The name of a field that decides what is measured and in which the plans differ.
///
/// How many connections a generator has, on how many threads and CPUs, when it had enough requests, how much load it
/// offers and where its chance begins is its own affair.
pub(super) fn difference(one: &Plan, other: &Plan) -> Option<&'static str> {
    // Every field is named, so that none that is added later can be forgotten here.
    let Plan {
        url,
        paths,
        method,
        connections: _,
        threads: _,
        load,
        duration_ms,
        requests: _,
        warmup_ms,
        timeout_ms,
        pipeline,
        requests_per_connection,
        idle_connections: _,
        slow_read,
        headers,
        expect,
        cpus: _,
        interval_ms,
        start_at_ms: _,
        seed: _,
    } = one;
    let fields = [
        ("url", *url == other.url),
        ("paths", *paths == other.paths),
        ("method", *method == other.method),
        ("load", is_same_kind(load, &other.load)),
        ("duration_ms", *duration_ms == other.duration_ms),
        ("warmup_ms", *warmup_ms == other.warmup_ms),
        ("timeout_ms", *timeout_ms == other.timeout_ms),
        ("pipeline", *pipeline == other.pipeline),
        ("requests_per_connection", *requests_per_connection == other.requests_per_connection),
        ("slow_read", *slow_read == other.slow_read),
        ("headers", *headers == other.headers),
        ("expect", *expect == other.expect),
        ("interval_ms", *interval_ms == other.interval_ms),
    ];
    fields.into_iter().find_map(|(field, is_equal)| (!is_equal).then_some(field))
}

fn is_same_kind(one: &Load, other: &Load) -> bool {
    one.offered().map(|offered| offered.arrivals) == other.offered().map(|offered| offered.arrivals)
}

/// Adds what `other` had its generator do. The two have no [`difference`].
pub(super) fn add(plan: &mut Plan, other: &Plan) {
    plan.connections += other.connections;
    plan.threads += other.threads;
    plan.load = sum(plan.load, other.load);
    // Without a limit on one side there is none for the sum.
    plan.requests = plan.requests.zip(other.requests).map(|(one, other)| one + other);
    plan.idle_connections += other.idle_connections;
    // The CPUs of one machine are not those of another.
    plan.cpus = None;
}

fn sum(one: Load, other: Load) -> Load {
    let (Load::Open(one), Load::Open(other)) = (one, other) else {
        return one;
    };
    // A steady rate is a ramp that ends where it began.
    let is_ramp = one.final_rate.is_some() || other.final_rate.is_some();
    let last = |offered: Offered| offered.final_rate.unwrap_or(offered.rate);
    Load::Open(Offered {
        rate: one.rate + other.rate,
        final_rate: is_ramp.then(|| last(one) + last(other)),
        arrivals: one.arrivals,
    })
}
