/// What a role has to say beside `start`, found out once for its type.
///
/// Not by casts: whether a type conforms to a protocol is a question for which the runtime looks through every library
/// of the process, and brings their pages back into memory. A node that is developed on holds thousands of builds, and
/// each new one would ask. So ``Role`` has a function for each aspect, which the aspect's own protocol fills in, and
/// the compiler chooses.
public final class Aspects<R: Role> {
  var drain: ((R) -> Void)?
  var stop: ((R) -> Void)?
  var health: ((R) -> Health)?
  var reconfigure: ((R, JSON) throws -> Void)?
  var stateVersion: Int?
  var save: ((R) throws -> [UInt8])?
  var load: ((R, [UInt8], Int) throws -> Void)?

  init() {
    R.addDrain(to: self)
    R.addStop(to: self)
    R.addHealth(to: self)
    R.addReconfigure(to: self)
    R.addState(to: self)
  }
}

/// Nothing, unless the role conforms to the aspect's protocol.
extension Role {
  public static func addDrain(to aspects: Aspects<Self>) {}
  public static func addStop(to aspects: Aspects<Self>) {}
  public static func addHealth(to aspects: Aspects<Self>) {}
  public static func addReconfigure(to aspects: Aspects<Self>) {}
  public static func addState(to aspects: Aspects<Self>) {}
}

extension Drainable {
  public static func addDrain(to aspects: Aspects<Self>) { aspects.drain = { $0.drain() } }
}

extension Stoppable {
  public static func addStop(to aspects: Aspects<Self>) { aspects.stop = { $0.stop() } }
}

extension HealthReporting {
  public static func addHealth(to aspects: Aspects<Self>) { aspects.health = { $0.health() } }
}

extension Reconfigurable {
  public static func addReconfigure(to aspects: Aspects<Self>) {
    aspects.reconfigure = { try $0.reconfigure(Config(setting: $1, at: "")) }
  }
}

extension Stateful {
  public static func addState(to aspects: Aspects<Self>) {
    aspects.stateVersion = stateVersion
    aspects.save = { try $0.save().payload }
    aspects.load = { try $0.load(State(payload: $1), version: $2) }
  }
}
