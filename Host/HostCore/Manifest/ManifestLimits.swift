/// What a manifest may leave out.
package enum ManifestDefaults {
  package static let state = "./state"
  package static let clusterName = "nodehost"
  package static let controlSocket = "control.sock"
  /// How far apart the ports of two instances on one machine are; room for ten listeners each.
  package static let portStride = 10

  /// What a client may send in one request; a gibibyte.
  package static let bodyLimit = 1 << 30
  /// Clients at once on a listener. Each that is idle takes about two kilobytes.
  package static let connections = 10_000
  package static let headMilliseconds = 10_000
  package static let idleMilliseconds = 75_000
  package static let stallMilliseconds = 30_000

  /// Waiting calls of a role. More absorbs longer bursts and costs memory and waiting time.
  package static let queue = 1024
  /// Calls of a role in flight at once.
  package static let calls = 1024
  /// A message of gRPC that a role gets; what the libraries of gRPC take too.
  package static let messageBytes = 4 << 20
  package static let drainMilliseconds = 10_000
  package static let callTimeoutMilliseconds = 5_000
  package static let startMilliseconds = 10_000
  /// How long a swap waits for the calls that are under way, while new ones wait for it.
  package static let swapMilliseconds = 1_000
  /// How long the old build is kept after a swap, to come back if the new one fails.
  package static let probationMilliseconds = 5_000

  /// What objects leave free of the disk, so that the node's own state and everybody else find room.
  package static let blobFreeFloorMegabytes = 512
  package static let blobUnfinishedDays = 7

  package static let backoffMilliseconds = 200
  package static let backoffLimitMilliseconds = 30_000
  /// Restarts in a row before a role is given up.
  package static let restarts = 10
}

/// What a manifest may hold.
package enum ManifestLimits {
  /// The version of the manifest's language, the value of `nodehost:`.
  package static let version = 1
  package static let identifier = 1...4_294_967_295
  package static let nameLength = 63
  /// Characters of `control.token` at least: one that could be tried out would be none.
  package static let controlToken = 16
  package static let instance = 1...1_000
  package static let portStride = 1...10_000
  package static let loops = 1...256
  package static let queue = 1...1_048_576
  package static let calls = 1...1_048_576
  package static let messageBytes = 1_024...(1 << 30)
  /// A day: anything longer is a slip of units.
  package static let milliseconds = 0...86_400_000
  package static let restarts = 0...1_000_000
  package static let roles = 10_000
  package static let peers = 10_000
  package static let listeners = 100
  package static let body = 0...(1 << 50)
  package static let connections = 1...10_000_000
  /// Less does not get smaller.
  package static let compressFrom = 64...(1 << 30)
  /// Entries of `plugins.allow`.
  package static let plugins = 10_000
  /// Keys that are still needed to open old objects.
  package static let blobKeys = 100
  package static let blobFreeFloorMegabytes = 0...1_048_576
  package static let blobUnfinishedDays = 1...3_650
  /// What a Unix socket's address holds, less its closing zero.
  package static let socketPath = 107
}
