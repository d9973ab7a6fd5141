internal import CNodeABI

/// A role's whole world: who it is, the clock, the log, and the services of the host. Keep it from `init`; the
/// services answer from `start` on.
public final class RoleContext {
  let link: HostLink

  init(_ link: HostLink) { self.link = link }

  /// The role's name in the manifest.
  public var roleName: String { link.roleName }
  public var nodeName: String { link.nodeName }
  public var nodeID: Int { Int(link.nodeID) }

  public var log: Log { Log(link: link) }
  public var timer: Timers { Timers(link: link) }
  public var bus: Bus { Bus(link: link) }
  public var roles: Roles { Roles(link: link) }
  public var metrics: Metrics { Metrics(link: link) }
  public var random: RandomNumbers { RandomNumbers(link: link) }
  public var work: Work { Work(link: link) }
  public var store: Store { Store(link: link) }
  public var blobs: Blobs { Blobs(link: link) }
  public var http: HTTP { HTTP(link: link) }
  public var client: Client { Client(link: link) }
  public var peers: Peers { Peers(link: link) }
  public var descriptors: Descriptors { Descriptors(link: link) }
  public var rpc: Rpc { Rpc(link: link) }

  /// For durations and deadlines.
  public var now: Moment { Moment(nanoseconds: link.time(NH_CLOCK_MONOTONIC)) }
  /// Since 1970-01-01 UTC; for what a person reads, since it may jump.
  public var timeSince1970: Duration { .nanoseconds(nanosecondsSince1970) }
  /// The same as a number, for who asks very often.
  public var nanosecondsSince1970: Int64 { link.time(NH_CLOCK_WALL) }

  /// Says that the role cannot go on. The host ends it, and starts it anew if the manifest says so.
  public func fail(_ status: Status, _ message: String) { link.fail(RoleError(status, message)) }
}

/// Lines in the node's log, with fields that programs can read: `log.info("elected", ["term": 3])`.
public struct Log {
  let link: HostLink

  /// For whoever debugs the role.
  public func trace(_ message: String, _ fields: JSON? = nil) { link.log(NH_LOG_TRACE, message, fields) }
  public func debug(_ message: String, _ fields: JSON? = nil) { link.log(NH_LOG_DEBUG, message, fields) }
  /// For whoever runs the node: rare events of interest.
  public func info(_ message: String, _ fields: JSON? = nil) { link.log(NH_LOG_INFO, message, fields) }
  /// Something is off, and the role goes on without help.
  public func warning(_ message: String, _ fields: JSON? = nil) { link.log(NH_LOG_WARNING, message, fields) }
  /// Something failed that somebody must look at.
  public func error(_ message: String, _ fields: JSON? = nil) { link.log(NH_LOG_ERROR, message, fields) }
}
