import HostCore

/// What a role holds at the host under handles that outlive a build: its routes, for instance. Each belongs to the
/// build that asked for it, until the next one's start asks for the same again.
struct SeatHoldings<Thing: Equatable> {
  /// A class, as each request looks at one: a copy would count all that is in it.
  final class Entry {
    unowned(unsafe) let owner: RoleInstance
    var thing: Thing
    var token: UInt64

    init(owner: RoleInstance, thing: Thing, token: UInt64) {
      self.owner = owner
      self.thing = thing
      self.token = token
    }
  }

  private var entries: SlotTable<Entry>
  /// What the new build of a swap has asked for again, with its tokens.
  private var inherited: [UInt64: UInt64] = [:]
  /// The old build's tokens of those, should it come back.
  private var oldTokens: [UInt64: UInt64] = [:]

  init(limit: Int) { entries = SlotTable(limit: limit) }

  var count: Int { entries.count }
  subscript(handle: UInt64) -> Entry? { entries[handle] }

  /// The token of what this build holds under the handle.
  @inline(__always)
  func token(_ handle: UInt64, of owner: RoleInstance) -> UInt64? {
    guard let entry = entries[handle], entry.owner === owner else { return nil }
    return entry.token
  }

  mutating func insert(_ owner: RoleInstance, _ thing: Thing, token: UInt64) -> UInt64? {
    entries.insert(Entry(owner: owner, thing: thing, token: token))
  }

  /// The handle of the same thing of the old build, to which the new one may then look forward.
  mutating func inherit(_ thing: Thing, from old: RoleInstance, token: UInt64) -> UInt64? {
    let same = entries.elements.first { handle, entry in
      entry.owner === old && entry.thing == thing && inherited[handle] == nil
    }
    guard let same else { return nil }
    inherited[same.handle] = token
    return same.handle
  }

  mutating func retoken(_ handle: UInt64, _ token: UInt64) { entries[handle]?.token = token }

  var elements: [(handle: UInt64, thing: Thing)] { entries.elements.map { ($0.handle, $0.element.thing) } }

  enum Removal: Equatable {
    case removed(Thing)
    /// It stays the old build's, should the swap be undone.
    case notInherited
    case unknown
  }

  mutating func remove(_ owner: RoleInstance, _ handle: UInt64) -> Removal {
    guard let entry = entries[handle] else { return .unknown }
    if entry.owner === owner {
      entries.remove(handle)
      return .removed(entry.thing)
    }
    return inherited.removeValue(forKey: handle) == nil ? .unknown : .notInherited
  }

  mutating func update(_ handle: UInt64, _ change: (inout Thing) -> Void) {
    if let entry = entries[handle] { change(&entry.thing) }
  }

  /// The new build takes over. Returns what the old one had and the new one has not: it rests until it is known which
  /// of both stays.
  mutating func flip(from old: RoleInstance, to new: RoleInstance) -> [(handle: UInt64, thing: Thing)] {
    var resting: [(UInt64, Thing)] = []
    for (handle, entry) in entries.elements where entry.owner === old {
      guard let token = inherited[handle] else {
        resting.append((handle, entry.thing))
        continue
      }
      oldTokens[handle] = entry.token
      entries[handle] = Entry(owner: new, thing: entry.thing, token: token)
    }
    inherited = [:]
    return resting
  }

  /// The old build comes back. Returns what has rested meanwhile.
  mutating func revert(from new: RoleInstance, to old: RoleInstance) -> [(handle: UInt64, thing: Thing)] {
    var rested: [(UInt64, Thing)] = []
    for (handle, entry) in entries.elements {
      if entry.owner === new, let token = oldTokens[handle] {
        entries[handle] = Entry(owner: old, thing: entry.thing, token: token)
      } else if entry.owner === old {
        rested.append((handle, entry.thing))
      }
    }
    settle()
    return rested
  }

  /// It is known which build stays, or the swap is off.
  mutating func settle() {
    inherited = [:]
    oldTokens = [:]
  }

  /// All that a build has, which ends; or only what it did not take over from the old build of a swap.
  mutating func release(_ owner: RoleInstance, keepingInherited: Bool = false) -> [Thing] {
    var things: [Thing] = []
    for (handle, entry) in entries.elements where entry.owner === owner {
      if keepingInherited, oldTokens[handle] != nil { continue }
      entries.remove(handle)
      things.append(entry.thing)
    }
    return things
  }
}
