#!/bin/sh
# Makes the secrets that are missing, in the folder "secrets" beside this file. What is
# there stays as it is, so it may be run again.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# The folder keeps others on this machine out. The files themselves are readable, because
# each container reads those that it is given as a user of its own.
chmod 700 secrets
for name in clickhouse_admin clickhouse_writer clickhouse_reader redis s3_access_key s3_secret_key grafana_admin pseudonyms; do
	file=secrets/$name
	[ -s "$file" ] && continue
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$file.new"
	chmod 444 "$file.new"
	mv "$file.new" "$file"
	echo "made $file"
done
