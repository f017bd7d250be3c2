# shellcheck shell=bash
# servers.bash - each real server, with a shipped configuration in what a distribution has around it
#
# A server_* function writes the main configuration that the distribution would
# have brought (modules, port, logs, user), takes the shipped file through
# sample, and starts the server on $PORT.

apache_main() {
	local port=$1 module
	shift
	cat <<-EOF
		ServerRoot "$LAB"
		DefaultRuntimeDir "$LAB/run"
		PidFile "$LAB/run/apache2.pid"
		Mutex "file:$LAB/run" default
		ErrorLog "$LAB/log/error.log"
		LogFormat "%h %t \"%r\" %>s %b" common
		ServerName localhost
		Listen 127.0.0.1:$port
		DocumentRoot "$LAB/www"
	EOF
	[ "$(id -u)" -ne 0 ] || printf 'User %s\nGroup %s\n' "$LAB_USER" "$LAB_USER"
	for module in "${APACHE_MPM:-mpm_event}" authz_core authz_host alias env setenvif headers rewrite reqtimeout "$@"; do
		echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
	done
	cat <<-EOF
		<Directory "/">
			Require all denied
			AllowOverride None
		</Directory>
		<Directory "$LAB/www">
			Require all granted
		</Directory>
		<FilesMatch "^\.ht">
			Require all denied
		</FilesMatch>
	EOF
}

apache_start() {
	start server apache2 -f "$LAB/conf/apache2.conf" -DFOREGROUND
	wait_for_port "$PORT"
}

apache_site() {
	printf '<VirtualHost 127.0.0.1:%s>\n%s\n</VirtualHost>\n' "$PORT" "$1"
}

# A site that includes the shipped file, and whose own log, which holds query
# strings, leaves the hooks out as that file says.
apache_site_with_hooks() {
	apache_site "CustomLog \"$LAB/log/site.log\" common env=!hookcgi
		Include \"$LAB/conf/hookcgi.conf\""
}

server_apache_fcgid() {
	sample apache-conf/fcgid.conf >"$LAB/conf/hookcgi.conf"
	{
		apache_main "$PORT" fcgid
		echo "FcgidIPCDir \"$LAB/run/fcgid\""
		echo "FcgidProcessTableFile \"$LAB/run/fcgid_shm\""
		apache_site_with_hooks
	} >"$LAB/conf/apache2.conf"
	apache_start
}

server_apache_proxy_fcgi() {
	serve_on_socket
	sample apache-conf/proxy-fcgi.conf >"$LAB/conf/hookcgi.conf"
	{
		apache_main "$PORT" proxy proxy_fcgi
		apache_site_with_hooks
	} >"$LAB/conf/apache2.conf"
	apache_start
}

server_apache_cgid() {
	sample apache-conf/cgid.conf >"$LAB/conf/hookcgi.conf"
	{
		apache_main "$PORT" cgid
		echo "ScriptSock \"$LAB/run/cgisock\""
		apache_site_with_hooks
	} >"$LAB/conf/apache2.conf"
	apache_start
}

server_apache_cgi() {
	sample apache-conf/cgid.conf >"$LAB/conf/hookcgi.conf"
	{
		APACHE_MPM=mpm_prefork apache_main "$PORT" cgi
		apache_site_with_hooks
	} >"$LAB/conf/apache2.conf"
	apache_start
}

# A host that gives its customers just what the file says that it needs, and runs
# their programs as the owner of the files.
server_apache_htaccess() {
	mkdir -p "$LAB/www/hooks"
	cp "$LAB/bin/hookcgi" "$LAB/www/hooks/hookcgi.cgi"
	sample apache-conf/htaccess >"$LAB/www/hooks/.htaccess"
	chmod 755 "$LAB/www/hooks/hookcgi.cgi"
	chown -R "$LAB_USER" "$LAB/www/hooks"
	{
		apache_main "$PORT" cgid
		echo "ScriptSock \"$LAB/run/cgisock\""
		apache_site "<Directory \"$LAB/www\">
			AllowOverride AuthConfig FileInfo Limit Options=ExecCGI
			Options SymLinksIfOwnerMatch
			Require all granted
		</Directory>"
	} >"$LAB/conf/apache2.conf"
	apache_start
}

# Debian's lighttpd.conf, as far as it matters here, around a shipped file.
server_lighttpd() {
	sample "lighttpd-conf/$1" >"$LAB/conf/hookcgi.conf"
	{
		cat <<-EOF
			server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect" )
			server.bind = "127.0.0.1"
			server.port = $PORT
			server.document-root = "$LAB/www"
			server.upload-dirs = ( "$LAB/run" )
			server.errorlog = "$LAB/log/error.log"
			server.pid-file = "$LAB/run/lighttpd.pid"
			server.http-parseopts = (
			  "header-strict" => "enable", "host-strict" => "enable", "host-normalize" => "enable",
			  "url-normalize-unreserved" => "enable", "url-normalize-required" => "enable",
			  "url-ctrls-reject" => "enable", "url-path-2f-decode" => "enable",
			  "url-path-dotseg-remove" => "enable" )
		EOF
		[ "$(id -u)" -ne 0 ] || printf 'server.username = "%s"\nserver.groupname = "%s"\n' "$LAB_USER" "$LAB_USER"
		echo "include \"$LAB/conf/hookcgi.conf\""
	} >"$LAB/conf/lighttpd.conf"
	start server lighttpd -D -f "$LAB/conf/lighttpd.conf"
	wait_for_port "$PORT"
}

server_lighttpd_fastcgi() { server_lighttpd fastcgi.conf; }
server_lighttpd_cgi() { server_lighttpd cgi.conf; }
server_lighttpd_fastcgi_socket() {
	serve_on_socket
	server_lighttpd fastcgi-socket.conf
}

server_nginx() {
	serve_activated
	sample nginx-conf/hookcgi.conf >"$LAB/conf/hookcgi.conf"
	sample nginx-conf/hookcgi-fastcgi.conf >"$LAB/conf/hookcgi-fastcgi.conf"
	{
		[ "$(id -u)" -ne 0 ] || echo "user $LAB_USER;"
		cat <<-EOF
			worker_processes 1;
			pid $LAB/run/nginx.pid;
			error_log $LAB/log/error.log;
			daemon off;
			events { worker_connections 256; }
			http {
				client_body_temp_path $LAB/run/body;
				fastcgi_temp_path $LAB/run/fastcgi;
				proxy_temp_path $LAB/run/proxy;
				uwsgi_temp_path $LAB/run/uwsgi;
				scgi_temp_path $LAB/run/scgi;
				access_log $LAB/log/site.log;
				server {
					listen 127.0.0.1:$PORT;
					root $LAB/www;
					include $LAB/conf/hookcgi.conf;
				}
			}
		EOF
	} >"$LAB/conf/nginx.conf"
	start server nginx -e "$LAB/log/error.log" -c "$LAB/conf/nginx.conf"
	wait_for_port "$PORT"
}

# hookcgi as a service, with a socket that it makes itself,
serve_on_socket() {
	start hookcgi "${AS_USER[@]}" env HOOKCGI_CONFIG="$LAB/etc/hookcgi.conf" \
		"$LAB/bin/hookcgi" serve --listen "unix:$LAB/run/hookcgi.sock"
	wait_for 10 test -S "$LAB/run/hookcgi.sock"
}

# or with one that was made before, as systemd does it for hookcgi.socket.
serve_activated() {
	start hookcgi "${AS_USER[@]}" env HOOKCGI_CONFIG="$LAB/etc/hookcgi.conf" python3 -c '
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(512)
os.dup2(os.dup(listener.fileno()), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], [sys.argv[2], "serve"])
' "$LAB/run/hookcgi.sock" "$LAB/bin/hookcgi"
	wait_for 10 test -S "$LAB/run/hookcgi.sock"
}

# SERVER: start it on a free port; BASE is where its hooks are.
server_start() {
	PORT=$(free_port)
	BASE=http://127.0.0.1:$PORT/hooks
	export PORT BASE
	"server_$1"
}
