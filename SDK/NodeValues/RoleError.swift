internal import CNodeABI

/// Why something failed, as a code that callers can act on. The numbers are those of gRPC.
public struct Status: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let ok = Status(rawValue: NH_OK)
  /// The caller gave up.
  public static let cancelled = Status(rawValue: NH_CANCELLED)
  /// An error that has no better code.
  public static let unknown = Status(rawValue: NH_UNKNOWN)
  /// Wrong whatever the state is.
  public static let invalidArgument = Status(rawValue: NH_INVALID_ARGUMENT)
  /// It took too long; it may still have happened.
  public static let deadlineExceeded = Status(rawValue: NH_DEADLINE_EXCEEDED)
  public static let notFound = Status(rawValue: NH_NOT_FOUND)
  public static let alreadyExists = Status(rawValue: NH_ALREADY_EXISTS)
  /// Known, but not allowed.
  public static let permissionDenied = Status(rawValue: NH_PERMISSION_DENIED)
  /// A named limit was reached; try later.
  public static let resourceExhausted = Status(rawValue: NH_RESOURCE_EXHAUSTED)
  /// Wrong in this state; repair the state first.
  public static let failedPrecondition = Status(rawValue: NH_FAILED_PRECONDITION)
  /// Lost a race; start over.
  public static let aborted = Status(rawValue: NH_ABORTED)
  /// Past the end.
  public static let outOfRange = Status(rawValue: NH_OUT_OF_RANGE)
  /// Not offered by this host or role.
  public static let unimplemented = Status(rawValue: NH_UNIMPLEMENTED)
  /// A promise inside was broken; a bug.
  public static let `internal` = Status(rawValue: NH_INTERNAL)
  /// Not now; the same call may succeed later.
  public static let unavailable = Status(rawValue: NH_UNAVAILABLE)
  /// What was stored is damaged.
  public static let dataLoss = Status(rawValue: NH_DATA_LOSS)
  /// Not known.
  public static let unauthenticated = Status(rawValue: NH_UNAUTHENTICATED)

  private static let names = [
    "ok", "cancelled", "unknown", "invalid argument", "deadline exceeded", "not found", "already exists",
    "permission denied", "resource exhausted", "failed precondition", "aborted", "out of range", "unimplemented",
    "internal", "unavailable", "data loss", "unauthenticated",
  ]

  public var description: String {
    Self.names.indices.contains(Int(rawValue)) ? Self.names[Int(rawValue)] : "status \(rawValue)"
  }
}

/// An error that crosses the edge of a role as it is. Any other error that a role throws arrives as
/// ``Status/unknown`` with its description.
public struct RoleError: Error, Sendable, Equatable, CustomStringConvertible {
  public var status: Status
  /// What is wrong, ending in what to do about it.
  public var message: String
  /// A configuration path such as /upstreams/0/weight, a key, a file and line; or empty.
  public var place: String

  public init(_ status: Status, _ message: String, at place: String = "") {
    self.status = status == .ok ? .unknown : status
    self.message = message
    self.place = place
  }

  public init(_ error: any Error) {
    self = error as? RoleError ?? RoleError(.unknown, String(describing: error))
  }

  public var description: String { place.isEmpty ? message : "\(place): \(message)" }
}
