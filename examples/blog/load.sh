#!/usr/bin/env bash
# Measures what each of memprof's layers costs on the blog's index page: requests per second, and
# the server's CPU time per request. Each round measures all variants in turn. For both numbers, the
# script prints the median over the rounds, and the median of the ratios to the plain blog in the
# same round.
#
#     examples/blog/load.sh [ROUNDS [SECONDS]]
#
# Needs wrk and curl.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-21} seconds=${2:-1}
names=("plain" "query-profile, not asked for" "profiler, not triggered" "profile-dir" "profiler > out.txt" "toolbar")
flags=("" "--query-profile" "--profiler --profile-header x-profile" "--profile-dir PROFILES" "--profiler" "--toolbar")

cargo build --release -p blog
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT

addresses=() pids=()
for index in "${!names[@]}"; do
    read -ra words <<<"${flags[$index]//PROFILES/$folder/profiles}"
    BLOG_SECRET_KEY=load target/release/blog serve --addr 127.0.0.1:0 \
        --database "$folder/blog.sqlite" "${words[@]}" >"$folder/out.$index" &
    until address=$(sed -n 's/^Listening on //p' "$folder/out.$index") && [ -n "$address" ]; do
        kill -0 $! && sleep 0.05
    done
    addresses+=("$address") pids+=($!)
done

# A user with ten posts.
user="username=writer&password=secret"
jar=(--silent --output /dev/null --cookie-jar "$folder/jar" --cookie "$folder/jar")
curl "${jar[@]}" --data "$user" "${addresses[0]}/auth/register"
curl "${jar[@]}" --data "$user" "${addresses[0]}/auth/login"
for post in $(seq 10); do
    curl "${jar[@]}" --data "title=Post $post&body=Some text of it." "${addresses[0]}/create"
done

# CPU time of a process, user and system, in ticks of 10 ms.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

for round in $(seq "$rounds"); do
    for index in "${!names[@]}"; do
        before=$(ticks "${pids[$index]}")
        wrk -t 1 -c 16 -d "$seconds" "${addresses[$index]}/" >"$folder/wrk"
        after=$(ticks "${pids[$index]}")
        sed -n 's/^Requests\/sec: *//p' "$folder/wrk" >>"$folder/rates.$index"
        requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$folder/wrk")
        awk "BEGIN { print 10000 * ($after - $before) / $requests }" >>"$folder/times.$index"
    done
done

median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }
# The median of the ratios to the plain blog in the same round.
ratio() { paste "$folder/$1.$2" "$folder/$1.0" | awk '{ print $1 / $2 }' | median; }
for index in "${!names[@]}"; do
    printf '%-28s %6.0f requests/s  %.2f   %6.1f us each  %.2f\n' "${names[$index]}" \
        "$(median <"$folder/rates.$index")" "$(ratio rates "$index")" \
        "$(median <"$folder/times.$index")" "$(ratio times "$index")"
done
