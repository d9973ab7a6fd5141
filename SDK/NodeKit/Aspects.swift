/// What a role has to say beside `start`, found out once for its type.
///
/// Whether a type conforms to a protocol is a question for which the runtime looks through every library of the
/// process, each time anew if one was opened meanwhile: with thousands of builds that is milliseconds, and a swap that
/// asked while calls wait would be as slow.
final class Aspects<R: Role> {
  private(set) var drain: ((R) -> Void)?
  private(set) var stop: ((R) -> Void)?
  private(set) var health: ((R) -> Health)?
  private(set) var reconfigure: ((R, JSON) throws -> Void)?
  private(set) var stateVersion: Int?
  private(set) var save: ((R) throws -> [UInt8])?
  private(set) var load: ((R, [UInt8], Int) throws -> Void)?

  init() {
    if let type = R.self as? any Drainable.Type { addDrain(type) }
    if let type = R.self as? any Stoppable.Type { addStop(type) }
    if let type = R.self as? any HealthReporting.Type { addHealth(type) }
    if let type = R.self as? any Reconfigurable.Type { addReconfigure(type) }
    if let type = R.self as? any Stateful.Type { addState(type) }
  }

  // Each type below is the role's own, as the compiler cannot know.

  private func addDrain<T: Drainable>(_ type: T.Type) { drain = { unsafeDowncast($0, to: type).drain() } }
  private func addStop<T: Stoppable>(_ type: T.Type) { stop = { unsafeDowncast($0, to: type).stop() } }
  private func addHealth<T: HealthReporting>(_ type: T.Type) {
    health = { unsafeDowncast($0, to: type).health() }
  }

  private func addReconfigure<T: Reconfigurable>(_ type: T.Type) {
    reconfigure = { try unsafeDowncast($0, to: type).reconfigure(T.Config(setting: $1, at: "")) }
  }

  private func addState<T: Stateful>(_ type: T.Type) {
    stateVersion = type.stateVersion
    save = { try unsafeDowncast($0, to: type).save().payload }
    load = { try unsafeDowncast($0, to: type).load(T.State(payload: $1), version: $2) }
  }
}
