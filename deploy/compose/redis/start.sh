#!/bin/sh
# Starts Redis with one user, who may do what Flowgauge does (docs/security.md) and nothing else.
# Arguments are Redis's own.
set -eu
if [ ! -s "$REDIS_PASSWORD_FILE" ]; then
	echo "start.sh: REDIS_PASSWORD_FILE is $REDIS_PASSWORD_FILE, which is empty or not there: run secrets.sh" >&2
	exit 1
fi
hash=$(printf %s "$(cat "$REDIS_PASSWORD_FILE")" | sha256sum | cut -d' ' -f1)
acl=$(mktemp)
cat > "$acl" <<ACL
user default off
user flowgauge on #$hash resetchannels -@all +hello +ping +time +get +set +expire +eval +evalsha +xadd +xrange ~flowgauge:*
ACL
# Nothing is kept on disk: all of it may be lost. What is used least goes when memory is full.
exec redis-server --aclfile "$acl" --save '' --appendonly no --maxmemory-policy allkeys-lru "$@"
