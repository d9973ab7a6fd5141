internal import CNodeABI

/// A service that a role uses, or an id that another role of its node must provide. The host refuses a plugin
/// whose required needs it cannot meet, before any role is created; a simulation refuses what it cannot
/// repeat. A service that is not among a role's needs is not handed to it, which keeps the list true.
public struct Need: Sendable, Equatable {
  public var id: String
  package var layout: UInt64
  package var isRequired = true

  public static let timer = Need(id: NH_TIMER_ID, layout: NH_TIMER_LAYOUT)
  public static let bus = Need(id: NH_BUS_ID, layout: NH_BUS_LAYOUT)
  public static let roles = Need(id: NH_ROLES_ID, layout: NH_ROLES_LAYOUT)
  public static let metrics = Need(id: NH_METRICS_ID, layout: NH_METRICS_LAYOUT)
  public static let random = Need(id: NH_RANDOM_ID, layout: NH_RANDOM_LAYOUT)
  public static let work = Need(id: NH_WORK_ID, layout: NH_WORK_LAYOUT)
  public static let store = Need(id: NH_STORE_ID, layout: NH_STORE_LAYOUT)

  public static let blob = Need(id: NH_BLOB_ID, layout: NH_BLOB_LAYOUT)
  public static let http = Need(id: NH_HTTP_ID, layout: NH_HTTP_LAYOUT)
  public static let client = Need(id: NH_CLIENT_ID, layout: NH_CLIENT_LAYOUT)
  public static let peers = Need(id: NH_PEERS_ID, layout: NH_PEERS_LAYOUT)
  public static let rpc = Need(id: NH_RPC_ID, layout: NH_RPC_LAYOUT)
  /// A role with it cannot be simulated, unless the need is optional: then it gets none in a simulated world.
  public static let fd = Need(id: NH_FD_ID, layout: NH_FD_LAYOUT)

  /// What a role needs that names nothing: the services that every host has and every simulation repeats.
  public static let common = [timer, bus, roles, metrics, random]

  /// An id that some role of the node provides.
  public static func provided(_ id: String) -> Need { Need(id: id, layout: 0) }

  /// The role copes without it: using it then throws.
  public static func optional(_ need: Need) -> Need { Need(id: need.id, layout: need.layout, isRequired: false) }
}
