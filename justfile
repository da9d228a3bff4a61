# Thin names for what cargo does; `just` alone lists them.

# List what there is
default:
    @{{just_executable()}} --list --unsorted

# The comparison: every model through wrk's scenarios, ends with the path of the report
bench-all *options:
    cargo bench-all {{options}}

# Any suite, by name or file: just bench wrk --only epoll,async
bench *options:
    cargo suite {{options}}

# Write the report of a stored run again: just report latest --relative-to nginx
report *options:
    cargo suite report {{options}}

# What a request costs in instructions, system calls, allocations and bytes: just counters main --only epoll
counters *options:
    cargo suite counters {{options}}

# Did a change make anything slower? just compare main, just compare v1 v2 --quick
compare *options:
    cargo suite compare {{options}}

# Two runs that were made at different times: just compare-runs a/results.json b/results.json
compare-runs *options:
    cargo suite compare-runs {{options}}

# How often comparisons are wrong here: 20 of each kind, equal and slowed; goes on where it was interrupted
calibrate *options:
    cargo suite calibrate {{options}}
# Figures from run to run, and the steps in them: just history history.jsonl --add latest
history *options:
    cargo suite history {{options}}

# Run one server: just serve epoll -w 4 8080
serve model *options:
    cargo run --release --quiet --package otus-{{model}} -- {{options}}

# Load a server: just load -c 100 -d 30s -t 1 http://127.0.0.1:8080
load *options:
    cargo loadgen {{options}}

# What the load generator itself can do at best here: just ceiling -c 100 -t 1 --cpus 1
ceiling *options:
    cargo loadgen --calibrate {{options}}

# The servers under attack: memory of idle connections, a good client's latencies; prints Markdown
siege *options:
    cargo siege {{options}}

# All tests
test *options:
    cargo test --workspace {{options}}

# Format, lints and documentation, as strict as CI
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Micro-benchmarks of the protocol and of the client's parser (criterion)
micro *options:
    cargo bench --package otus-protocol --package otus-loadgen {{options}}

# Hold servers to the rules of HTTP: just conformance --server nginx --failed; all our models if none is named
conformance *options:
    cargo conformance {{options}}

# Measure again what docs/conformance.md says of nginx and of ours
conformance-page:
    -cargo conformance --failed --page docs/conformance.md --server epoll --server nginx

# Fuzz each target for some seconds: just fuzz 60, just fuzz 3600 machine
fuzz *options:
    fuzz/run {{options}}
