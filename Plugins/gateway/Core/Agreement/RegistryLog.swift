import NodeKit

/// The order of entries on which the gateways agree.
protocol RegistryLog: AnyObject {
  /// This gateway says what comes next; it alone lets nodes expire.
  var isLeading: Bool { get }
  /// The node of the gateway that leads, if one is known.
  var leader: Int? { get }
  /// Told when one of the two has changed.
  var whenStandingChanges: () -> Void { get set }

  /// Brings back what was agreed on before. The registry is whole when `ready` runs.
  func start(then ready: @escaping (Result<Void, RoleError>) throws -> Void) throws
  /// Adds an entry. The outcome comes when it is on disk, on a majority of the gateways, and done. Unavailable: it may
  /// have happened or not, or there is no majority.
  func propose(_ entry: Entry, then done: @escaping (Result<Outcome, RoleError>) -> Void)
  /// Lets another gateway lead, since this one is about to stop.
  func handOver()
  /// Why there is no agreement now; nil if there is.
  var trouble: String? { get }
}
