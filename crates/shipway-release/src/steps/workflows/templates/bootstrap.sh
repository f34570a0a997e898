# Runs the shipway binary that this project pins: fetched once, its sha256 compared before it can be executed and
# at every start, kept in a cache. Nothing else is trusted, not even a binary of that name on the path.
set -eu

fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  cause: %s\n' "$line" >&2; done
  exit 3
}

system="$(uname -s)/$(uname -m)"
case "$system" in
[% for one in binaries %]
  [[ one.pattern ]])
    url=[[ one.url|sh ]]
    sha256=[[ one.sha256 ]]
    ;;
[% endfor %]
  *) fail "no shipway binary is pinned for $system" 'name one in [tool.shipway.workflows.binary.PLATFORM] and run: shipway workflows generate' ;;
esac

digest() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum < "$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 < "$1" | cut -d ' ' -f 1
  else
    fail 'cannot compare the digest of the shipway binary' 'there is neither sha256sum nor shasum'
  fi
}

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl --fail --silent --show-error --location --proto '[[ protocols ]]' --proto-redir '[[ protocols ]]' \
      --retry 2 --connect-timeout 15 --max-time 600 --max-filesize 536870912 --output "$2" -- "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget --quiet --tries 3 --timeout 60 --output-document "$2" -- "$1"
  else
    fail 'cannot fetch the shipway binary' 'there is neither curl nor wget'
  fi
}

folder="${SHIPWAY_BINARY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/shipway/binary}/$sha256"
binary="$folder/shipway"

if [ -f "$binary" ]; then
  if [ "$(digest "$binary")" = "$sha256" ]; then
    exec "$binary" "$@"
  fi
  # Somebody changed it in the cache.
  rm -f -- "$binary"
fi

umask 077
mkdir -p -- "$folder"
part="$(mktemp "$folder/part.XXXXXX")"
trap 'rm -f -- "$part"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 600 "$part"
fetch "$url" "$part" || fail "cannot fetch the shipway binary for $system" "$url"
found="$(digest "$part")"
if [ "$found" != "$sha256" ]; then
  rm -f -- "$part"
  printf 'error: the shipway binary has another digest than the one that is pinned\n' >&2
  printf '  cause: %s\n  cause: expected sha256 %s\n  cause: found sha256 %s\n' "$url" "$sha256" "$found" >&2
  exit 1
fi
chmod 700 "$part"
mv -f -- "$part" "$binary"
trap - EXIT INT TERM
exec "$binary" "$@"
