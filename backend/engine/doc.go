// Package engine runs ClickHouse where no ClickHouse server is installed.
//
// The whole database ships as a shared library, libchdb, in a package
// registry. The engine loads it without cgo and lets it listen, so the rest of
// Flowgauge talks to it exactly as to a real server, over TCP and HTTP.
//
//	Flowgauge                     the same binary, re-executed
//	┌──────────────┐  watch pipe  ┌──────────────────────────┐
//	│ Engine       │─────────────▶│ RunChildIfAsked          │
//	│  supervises, │  lock (fd)   │  └─ chdb_query_cmdline   │
//	│  restarts    │─────────────▶│       on 127.0.0.1       │
//	└──────────────┘              └──────────────────────────┘
//
// Why a process of its own: the library installs signal handlers, keeps
// hundreds of megabytes, and a fault in it must not take the collector along.
// Why the same binary: nothing else has to be installed or found.
//
// The child's life hangs on a pipe whose write end only the parent holds. A
// byte in it asks for an orderly end; its closing ends the child at once, which
// is what happens when the parent dies, by kill -9 too, on Linux and macOS
// alike. SIGTERM is of no use: the library ignores it while a statement runs.
//
// Rows that ClickHouse acknowledged survive either way, because inserts are
// fsynced (see config.xml.tmpl). An unexpected death is answered by a restart
// on the same ports, so that clients' pools reconnect by themselves.
//
// One process owns a directory. The lock is inherited by the child: a
// successor waits for an orphan that is still on its way out instead of
// opening the same files twice.
package engine
