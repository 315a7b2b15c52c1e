#!/usr/bin/env bash
# Requests per second of the blog's index, with each of the layers beside without any,
# one after the other in each of several rounds; medians, and what they are of plain.
#
#     examples/blog/load.sh [ROUNDS [SECONDS]]
#
# Needs wrk and curl.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-5} seconds=${2:-4}
names=("plain" "query-profile, not asked for" "profiler, not triggered" "profile-dir" "profiler > /dev/null" "toolbar")
flags=("" "--query-profile" "--profiler --profile-header x-profile" "--profile-dir PROFILES" "--profiler" "--toolbar")

cargo build --release -p blog
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT

addresses=()
for index in "${!names[@]}"; do
    read -ra words <<<"${flags[$index]//PROFILES/$folder/profiles}"
    BLOG_SECRET_KEY=load target/release/blog serve --addr 127.0.0.1:0 \
        --database "$folder/blog.sqlite" "${words[@]}" >"$folder/out.$index" &
    until address=$(sed -n 's/^Listening on //p' "$folder/out.$index") && [ -n "$address" ]; do
        kill -0 $! && sleep 0.05
    done
    addresses+=("$address")
done

# Somebody with ten posts.
user="username=writer&password=secret"
jar=(--silent --output /dev/null --cookie-jar "$folder/jar" --cookie "$folder/jar")
curl "${jar[@]}" --data "$user" "${addresses[0]}/auth/register"
curl "${jar[@]}" --data "$user" "${addresses[0]}/auth/login"
for post in $(seq 10); do
    curl "${jar[@]}" --data "title=Post $post&body=Some text of it." "${addresses[0]}/create"
done

for round in $(seq "$rounds"); do
    for index in "${!names[@]}"; do
        wrk -t 1 -c 16 -d "$seconds" "${addresses[$index]}/" |
            sed -n 's/^Requests\/sec: *//p' >>"$folder/rates.$index"
    done
done

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }
plain=$(median "$folder/rates.0")
for index in "${!names[@]}"; do
    rate=$(median "$folder/rates.$index")
    awk -v name="${names[$index]}" -v rate="$rate" -v plain="$plain" \
        'BEGIN { printf "%-32s %8.0f requests/s  %5.2f\n", name, rate, rate / plain }'
done
