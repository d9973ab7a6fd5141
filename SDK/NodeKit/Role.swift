// Whoever writes a role handles these; a plugin needs one import.
@_exported public import NodeValues

/// One kind of role. Write a final class that conforms, put `@main` before it, and the library that it is
/// built into is a plugin:
///
///     @main
///     final class Hello: Role {
///       static let about = About("hello", version: "1.0.0", "Greets.")
///       static let methods = [Method("greet(who)", "A greeting.", greet)]
///       init(_ context: RoleContext, _ config: NoConfig) {}
///       func greet(_ who: String) -> String { "Hello, \(who)!" }
///     }
///
/// Everything in a role happens on the role's loop, one thing at a time, so it needs no locks. It must not
/// block the loop, start threads or read the clock by itself: time, messages and all else come from the
/// context, which is what lets the same library run live and in a simulation.
///
/// Conform to ``Stateful``, ``Reconfigurable``, ``Drainable``, ``Stoppable`` or ``HealthReporting`` as well if
/// the role has something to say there, in the module that makes it a Role.
public protocol Role: AnyObject, SendableMetatype {
  associatedtype Config: RoleConfig = NoConfig

  static var about: About { get }
  static var methods: [Method<Self>] { get }
  /// What it publishes on the bus. Other topics are refused.
  static var topics: [Topic] { get }
  /// The services that it uses.
  static var needs: [Need] { get }
  /// Ids that it stands for, "com.example.greeter/1", so that others need not know the role's name.
  static var provides: [String] { get }

  /// Reads the configuration and allocates. No side effects, since this also serves to check a manifest: of
  /// the context only the log may be used.
  init(_ context: RoleContext, _ config: Config) throws
  /// Begins to work: sets timers, subscribes.
  func start() throws

  // What the protocols below fill in; a role leaves these alone.
  static func addDrain(to aspects: Aspects<Self>)
  static func addStop(to aspects: Aspects<Self>)
  static func addHealth(to aspects: Aspects<Self>)
  static func addReconfigure(to aspects: Aspects<Self>)
  static func addState(to aspects: Aspects<Self>)
}

extension Role {
  public static var methods: [Method<Self>] { [] }
  public static var topics: [Topic] { [] }
  public static var needs: [Need] { Need.common }
  public static var provides: [String] { [] }
  public func start() throws {}
}

/// What `hostctl list` and `hostctl describe` show of a plugin.
public struct About: Sendable, Equatable {
  public var id: String
  public var version: String
  public var description: String

  /// - Parameters:
  ///   - id: short and lower-case, "gateway"; the manifest's `role:` names it.
  ///   - version: three numbers, "1.4.0".
  public init(_ id: String, version: String, _ description: String) {
    self.id = id
    self.version = version
    self.description = description
  }
}

/// A topic that the role publishes.
public struct Topic: Sendable, Equatable {
  public var name: String
  public var doc: String

  public init(_ name: String, _ doc: String) {
    self.name = name
    self.doc = doc
  }
}

/// A role whose work outlives an exchange of its code: what it saves, the next version loads.
public protocol Stateful: Role {
  associatedtype State: Payload
  /// Counts up whenever `save` writes something that an older `load` could not read.
  static var stateVersion: Int { get }
  /// All that the next version needs.
  func save() throws -> State
  /// Comes after `init` and before `start`. Throw on a version that cannot be read.
  func load(_ state: State, version: Int) throws
}

/// A role that takes a new configuration without a restart.
public protocol Reconfigurable: Role {
  /// On a throw the old configuration must still be in force.
  func reconfigure(_ config: Config) throws
}

/// A role that wants to know that no new work comes, so that it can finish what is under way.
public protocol Drainable: Role {
  func drain()
}

/// A role that does something at its end. Timers and subscriptions end by themselves.
public protocol Stoppable: Role {
  func stop()
}

/// A role that knows how well it does.
public protocol HealthReporting: Role {
  func health() -> Health
}

public enum Health: Sendable, Equatable {
  case ok
  /// Serving, but somebody should look.
  case degraded(String)
  /// Not serving.
  case failed(String)
}
