// Package engine runs ClickHouse where no ClickHouse server is installed.
//
// The whole database ships as a shared library, libchdb, in a package
// registry. The engine loads it without cgo and lets it listen, so the rest of
// Flowgauge talks to it exactly as to a real server, over TCP and HTTP.
//
//	Flowgauge                     the same binary, re-executed
//	┌──────────────┐  watch pipe  ┌─────────────────────────┐
//	│ Engine       │─────────────▶│ RunChildIfAsked         │
//	│  supervises, │  stdin pipe  │  └─ chdb_query_cmdline  │
//	│  restarts    │─────────────▶│       listens on        │
//	└──────────────┘  lock (fd)   │       127.0.0.1         │
//	                              └─────────────────────────┘
//
// Why a process of its own: the library installs signal handlers, keeps
// hundreds of megabytes, and a fault in it must not take the collector along.
// Why the same binary: nothing else has to be installed or found.
//
// The child's life hangs on two pipes whose write ends only the parent holds.
// Its last statement reads standard input, so closing that ends the statement
// and ClickHouse shuts down in order. A goroutine reads the watch pipe and
// exits at once on end of file, which is what happens when the parent dies, by
// kill -9 too, on Linux and macOS alike. SIGTERM is of no use: the
// library ignores it while a statement runs.
//
// Rows that ClickHouse acknowledged survive either way, because inserts are
// fsynced (see serverConfig). An unexpected death is answered by a restart on
// the same ports, so that clients' pools reconnect by themselves.
//
// One process owns a directory. The lock is inherited by the child: a
// successor waits for an orphan that is still on its way out instead of
// opening the same files twice.
package engine
