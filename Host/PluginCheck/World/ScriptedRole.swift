import CNodeABI
import HostCore
import HostRuntime
import NodeValues
import Synchronization

/// What a plugin's function said when it failed.
struct RoleFailure: Error, CustomStringConvertible {
  var step: String
  var status: nh_status
  var message: String
  var place: String

  var description: String {
    let words = message.isEmpty ? "" : ": \(message)"
    return "\(step) fails with \(StatusCode.words(status))\(words)\(place.isEmpty ? "" : " (at \(place))")"
  }
}

/// One instance of the plugin's role on a scripted host, from create to destroy.
final class ScriptedRole: @unchecked Sendable {
  /// As much of an error's message as a plugin may write; short enough that some want to write more.
  private static let messageRoom = 48
  private static let placeRoom = 64
  private static let sinkLimit = 64 << 20

  let plugin: OpenPlugin
  let host: ScriptedHost
  private let phaseByte = Atomic<UInt8>(RolePhase.creating.rawValue)
  private(set) var tables: RoleTables!
  private(set) var pointer: UnsafeMutableRawPointer?

  init(_ plugin: OpenPlugin, on host: ScriptedHost) {
    self.plugin = plugin
    self.host = host
    tables = RoleTables(self, host.settings)
  }

  static func at(_ context: UnsafeMutableRawPointer?) -> ScriptedRole {
    Unmanaged<ScriptedRole>.fromOpaque(context!).takeUnretainedValue()
  }

  private(set) var phase: RolePhase {
    get { RolePhase(rawValue: phaseByte.load(ordering: .acquiring))! }
    set { phaseByte.store(newValue.rawValue, ordering: .releasing) }
  }

  private var table: UnsafePointer<nh_plugin> { plugin.table }

  // MARK: Life

  func create(_ config: String) throws(RoleFailure) {
    phase = .creating
    let failure = attempt("create") { error in
      host.lender.json(config) { config in
        host.timed("create") { table.pointee.create(tables.host, config, &pointer, error) }
      }
    }
    phase = .created
    if let failure { throw failure }
  }

  func start() throws(RoleFailure) {
    phase = .starting
    let failure = attempt("start") { error in host.timed("start") { table.pointee.start(pointer, error) } }
    phase = failure == nil ? .running : .stopped
    if let failure {
      // In a swap the place is still the predecessor's.
      if host.handover == nil { host.releaseAll() }
      throw failure
    }
  }

  func drain() {
    guard phase == .running else { return }
    phase = .draining
    host.timed("drain") { table.pointee.drain?(pointer) }
  }

  /// `keepsPlace`: another instance takes this one's timers and subscriptions over.
  func stop(keepsPlace: Bool = false) {
    guard isLive else { return }
    phase = .stopping
    host.timed("stop") { table.pointee.stop?(pointer) }
    phase = .stopped
    if !keepsPlace { host.releaseAll() }
  }

  /// Safe in every phase. What was never created is not destroyed.
  func destroy(keepsPlace: Bool = false) {
    stop(keepsPlace: keepsPlace)
    guard phase != .destroyed else { return }
    phase = .stopped
    if pointer != nil { host.timed("destroy") { table.pointee.destroy(pointer) } }
    pointer = nil
    phase = .destroyed
  }

  var isLive: Bool { phase == .running || phase == .draining }

  // MARK: State and health

  var hasState: Bool { table.pointee.save != nil }

  /// `pieces` is how many the host takes before it has had enough.
  func save(pieces: Int = .max) throws(RoleFailure) -> [UInt8] {
    let sink = ScriptedSink(pieces: pieces, limit: Self.sinkLimit)
    let failure = attempt("save") { error in
      sink.lend(host.lender) { sink in host.timed("save") { table.pointee.save?(pointer, sink, error) ?? NH_OK } }
    }
    if let failure { throw failure }
    return sink.bytes
  }

  /// Takes a new configuration while it runs; only where the plugin has such a function.
  func reconfigure(_ config: String) throws(RoleFailure) {
    let failure = attempt("reconfigure") { error in
      host.lender.json(config) { config in
        host.timed("reconfigure") { table.pointee.reconfigure?(pointer, config, error) ?? NH_OK }
      }
    }
    if let failure { throw failure }
  }

  func load(_ state: [UInt8], version: UInt32, edge: Edge = .slack) throws(RoleFailure) {
    phase = .creating
    let failure = attempt("load") { error in
      Lender(edge: edge).bytes(state) { state in
        host.timed("load") { table.pointee.load?(pointer, version, state, error) ?? NH_OK }
      }
    }
    phase = .created
    if let failure { throw failure }
  }

  /// The role's own opinion, if it has one; nil for a level that is none.
  func health() -> (level: UInt32, reason: String)? {
    guard isLive, let health = table.pointee.health else { return (NH_HEALTH_OK, "") }
    let sink = ScriptedSink(pieces: .max, limit: Self.sinkLimit)
    let level = sink.lend(host.lender) { sink in host.timed("health") { health(pointer, sink) } }
    return level <= NH_HEALTH_FAILED ? (level, String(decoding: sink.bytes, as: UTF8.self)) : nil
  }

  private func attempt(_ step: String, _ body: (UnsafeMutablePointer<nh_error>) -> nh_status) -> RoleFailure? {
    let edge = host.settings.edge
    let message = EdgeMemory(size: Self.messageRoom, edge: edge)
    let place = EdgeMemory(size: Self.placeRoom, edge: edge)
    let error = nh_error(
      struct_size: UInt32(MemoryLayout<nh_error>.size), revision: host.settings.revision, code: NH_OK, reserved: 0,
      message: message.start.assumingMemoryBound(to: CChar.self), message_capacity: UInt64(Self.messageRoom),
      message_len: 0, place: place.start.assumingMemoryBound(to: CChar.self), place_capacity: UInt64(Self.placeRoom),
      place_len: 0)
    return host.lender.structure(error) { error in
      let status = body(error)
      guard status != NH_OK else { return nil }
      func text(_ room: EdgeMemory, _ count: UInt64, _ capacity: Int) -> String {
        String(
          nh_str(ptr: room.start.assumingMemoryBound(to: CChar.self), len: min(count, UInt64(capacity))))
      }
      return RoleFailure(
        step: step, status: status, message: text(message, error.pointee.message_len, Self.messageRoom),
        place: text(place, error.pointee.place_len, Self.placeRoom))
    }
  }

  // MARK: Callbacks

  /// Calls a method; its number among all answers of the host.
  @discardableResult
  func call(_ index: Int, _ values: [Value]) -> Int {
    let method = plugin.methods[index]
    let handle = host.newCall(method.description.name, method.description.signature.result)
    let call = nh_call(
      answer: tables.answer, handle: handle, deadline_ns: host.clock + ScriptedHost.callTimeout, method: UInt32(index),
      reserved: 0)
    let number = host.answers.count - 1
    host.lender.slots(values) { slots in
      host.lender.structure(call) { call in
        host.timed("the method \(method.description.name)") {
          method.invoke(role: pointer, call: call, arguments: slots)
        }
      }
    }
    host.takeInbox()
    return number
  }

  func deliverTimer(_ timer: nh_handle, _ token: UInt64) {
    guard isLive, let callback = table.pointee.on_timer else { return }
    host.timed("on_timer") { callback(pointer, timer, token) }
  }

  func deliverEvent(_ topic: String, _ payload: [UInt8], _ handle: nh_handle, _ token: UInt64) {
    host.lender.text(topic) { topic in
      host.lender.text("somebody") { source in
        host.lender.bytes(payload) { payload in
          var event = nh_event()
          event.kind = NH_EVENT_TOPIC
          (event.handle, event.token) = (handle, token)
          (event.topic, event.source, event.payload) = (topic, source, payload)
          event.sequence = host.sequence
          deliver(event)
        }
      }
    }
  }

  func deliverCancelled(_ call: nh_handle) {
    var event = nh_event()
    event.kind = NH_EVENT_CANCELLED
    event.handle = call
    deliver(event)
  }

  func deliver(_ event: nh_event) {
    guard isLive, let callback = table.pointee.on_event else { return }
    var event = event
    event.struct_size = UInt32(MemoryLayout<nh_event>.size)
    event.revision = host.settings.revision
    host.lender.structure(event) { event in host.timed("on_event") { callback(pointer, event) } }
  }

  func deliverMessage(_ node: UInt32, _ channel: UInt32, _ payload: [UInt8]) {
    guard isLive, let callback = table.pointee.on_message else { return }
    host.lender.text("somebody") { name in
      host.lender.bytes(payload) { payload in
        let message = nh_message(
          struct_size: UInt32(MemoryLayout<nh_message>.size), revision: host.settings.revision, from_node: node,
          channel: channel, from_role: name, payload: payload)
        host.lender.structure(message) { message in host.timed("on_message") { callback(pointer, message) } }
      }
    }
  }

  func deliverLink(_ kind: UInt32, _ node: UInt32) {
    var event = nh_event()
    event.kind = kind
    event.number = node
    deliver(event)
  }

  func deliverReply(
    _ request: nh_handle, _ token: UInt64, _ status: nh_status, _ message: String, _ value: Value = .nothing,
    key: [UInt8] = [], number: UInt64 = 0, more: Bool = false
  ) {
    guard isLive, let callback = table.pointee.on_reply else { return }
    host.lender.bytes(key) { key in
      host.lender.text(message) { message in
        host.lender.slots([value]) { slots in
          var reply = nh_reply()
          reply.struct_size = UInt32(MemoryLayout<nh_reply>.size)
          reply.revision = host.settings.revision
          (reply.request, reply.token, reply.status, reply.message) = (request, token, status, message)
          (reply.key, reply.revision_number, reply.flags) = (key, number, more ? NH_REPLY_MORE : 0)
          reply.value.letter = UInt32(value.replyType.rawValue)
          if let slots { reply.value.slot = slots.pointee }
          host.lender.structure(reply) { reply in host.timed("on_reply") { callback(pointer, reply) } }
        }
      }
    }
  }
}

extension Value {
  /// As services answer: with nothing, bytes or JSON.
  fileprivate var replyType: ValueType {
    switch self {
    case .bytes: .bytes
    case .json: .json
    default: .nothing
    }
  }
}

/// A sink that has had enough after so many pieces.
final class ScriptedSink {
  private(set) var bytes: [UInt8] = []
  private var pieces: Int
  private let limit: Int

  init(pieces: Int, limit: Int) {
    self.pieces = pieces
    self.limit = limit
  }

  func lend<R>(_ lender: Lender, _ body: (UnsafePointer<nh_sink>) -> R) -> R {
    let sink = nh_sink(
      struct_size: UInt32(MemoryLayout<nh_sink>.size), revision: NH_ABI_REVISION,
      ctx: Unmanaged.passUnretained(self).toOpaque(),
      write: { context, piece in Unmanaged<ScriptedSink>.fromOpaque(context!).takeUnretainedValue().take(piece) })
    return withExtendedLifetime(self) { lender.structure(sink) { body(UnsafePointer($0)) } }
  }

  private func take(_ piece: nh_bytes) -> nh_status {
    guard pieces > 0, piece.len <= UInt64(limit - bytes.count) else { return NH_RESOURCE_EXHAUSTED }
    pieces -= 1
    bytes += [UInt8](piece)
    return NH_OK
  }
}
