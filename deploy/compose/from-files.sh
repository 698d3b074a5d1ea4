#!/bin/sh
# Runs a program that takes secrets from its environment alone: NAME__FILE becomes NAME
# with what that file holds, NAME__SHA256_FILE becomes NAME with the hash of it.
set -eu
for variable in $(env | sed -n 's/^\([A-Za-z0-9_]*__\(SHA256_\)\{0,1\}FILE\)=.*/\1/p'); do
	eval "file=\$$variable"
	if [ ! -s "$file" ]; then
		echo "from-files.sh: $variable is $file, which is empty or not there: run secrets.sh" >&2
		exit 1
	fi
	secret=$(cat "$file")
	case $variable in
	*__SHA256_FILE)
		secret=$(printf %s "$secret" | sha256sum | cut -d' ' -f1)
		name=${variable%__SHA256_FILE}
		;;
	*) name=${variable%__FILE} ;;
	esac
	export "$name=$secret"
	unset "$variable"
done
unset secret
exec "$@"
