#!/bin/sh
# layers.sh - each file includes only what lies below it, and each foreign library one file (SQLite four)
#
# The order of the house: a file may include headers of files named before it
# (and its own). Nothing else may be included, so there is no circle and no way up.
set -eu
cd "$(dirname "$0")/.."

order="alloc clock descriptor thread buf text normal gzip log
crypto leaf json jwt jwk form multipart
message saved canonical template provider_builtin provider provider_compiler provider_scheme
provider_handshake provider_subscription provider_signed provider_compile safety settings config config_loader config_secret config_load
store store_vfs_file store_vfs_gather store_vfs_copy store_vfs store_turn store_owner store_sqlite store_sql store_file store_transaction
store_lease store_open store_put store_run store_recover store_ledger store_prune
tally wake intake envelope learn
key signature signature_check signature_note signature_read signature_signed signature_token
sign_body sign handshake run handover job nursery runner attempt errand handler http http_exchange records pool responder listen
service receive worker_runner worker_house worker
endpoint curl cli cli_ledger
cli_check cli_serve cli_worker cli_provider cli_secret cli_sign cli_explain cli_get cli_subscribe
cli_list cli_show cli_replay cli_refused cli_stats cli_prune
main"

# library header, and the files that may include it
foreign="fcgiapp.h:responder fastcgi.h:records,responder confuse.h:settings yajl/:json openssl/:crypto zlib.h:gzip uninorm.h:normal sqlite3.h:store_sql,store_open,store_vfs,store_vfs_file"

faults=0
fault() {
	echo "layers: $*" >&2
	faults=$((faults + 1))
}

seen=" "
for name in $order; do
	seen="$seen$name "
	for file in "src/$name.c" "src/$name.h"; do
		[ -e "$file" ] || continue
		includes=$(sed -n 's/^#include "\([a-z_0-9]*\)\.h"$/\1/p' "$file")
		for used in $includes; do
			case "$seen" in
			*" $used "*) ;;
			*) # http.c may include http_exchange.h: a header for it and those above
				[ "${used#"$name"_}" != "$used" ] ||
					fault "$file includes $used.h, which is not below it"
				;;
			esac
		done
	done
done

for file in src/*.c src/*.h; do
	name=$(basename "$file")
	name=${name%.*}
	case "$seen" in
	*" $name "*) ;;
	*) fault "$file has no place in the order: name it in tests/layers.sh" ;;
	esac
	for pair in $foreign; do
		case ",${pair##*:}," in *",$name,"*) continue ;; esac
		if grep -q "^#include <${pair%%:*}" "$file"; then
			fault "$file includes ${pair%%:*}, which only ${pair##*:} may"
		fi
	done
	if [ "$name" != run ] && [ "$name" != nursery ] && [ "$name" != worker ] &&
		grep -Eq '(^|[^a-z_])(v?fork|posix_spawnp?|popen|system)\(' "$file"; then
		fault "$file starts processes: only run, nursery and worker may"
	fi
done

# header of ours, and the files that may include it; both are patterns
while read -r header who; do
	includers=$(grep -l "^#include \"$header\.h\"" src/*.[ch]) || continue
	for file in $includers; do
		name=$(basename "$file")
		echo "${name%.*}" | grep -Eqx "$who" ||
			fault "$file includes $header.h, which is for $who alone"
	done
done <<'PAIRS'
provider_compiler provider_.*
config_loader config_.*
signature_check signature(_.*)?
store_vfs_[a-z]* store_vfs.*
store_sqlite store_.*
PAIRS

[ "$faults" -eq 0 ]
