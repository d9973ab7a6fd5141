/// What becomes of a role's state when another build takes over.
package enum StateTransfer: Sendable, Equatable {
  /// The old build saves as this version, and the new one loads it.
  case move(fromVersion: UInt32)
  /// The new build begins without.
  case coldStart

  /// Throws the reason why the swap cannot be.
  package static func plan(
    from old: StateAbility, to new: StateAbility, mayColdStart: Bool
  ) throws(StateRefusal) -> StateTransfer {
    if old.saves, new.loads { return .move(fromVersion: old.version) }
    if mayColdStart { return .coldStart }
    let reason =
      switch (old.saves, new.loads) {
      case (true, false): "the running build saves its state, and the new one cannot load any"
      case (false, true): "the running build cannot save its state"
      default: "the role keeps no state over a swap: its plugin has neither save nor load"
      }
    throw StateRefusal(reason: reason)
  }
}

package struct StateAbility: Sendable, Equatable {
  package var saves: Bool
  package var loads: Bool
  package var version: UInt32

  package init(saves: Bool, loads: Bool, version: UInt32) {
    self.saves = saves
    self.loads = loads
    self.version = version
  }
}

package struct StateRefusal: Error, Sendable, Equatable {
  package var reason: String
  package var message: String { "\(reason); write `cold_start: on` at the role to let it begin anew" }
}
