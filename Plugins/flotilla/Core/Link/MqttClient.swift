internal import CFlotillaMqtt
internal import NodeKit

/// libmosquitto's client. It is used by one thread at a time: by a job of the pool while it connects, and by the role's
/// loop after that.
final class MqttClient: @unchecked Sendable {
  /// The reason of a broker that does not know MQTT 5.
  private static let unknownVersion: Int32 = 132

  private var client: OpaquePointer!
  private let version: Int32
  /// Set before it connects, called on the role's loop.
  var whenAnswered: ((_ refusal: String?) -> Void)?
  var whenMessage: ((_ topic: String, _ bytes: UnsafeBufferPointer<UInt8>) -> Void)?

  init(_ id: String, _ settings: FlotillaSettings) throws {
    version = settings.mqtt == "5" ? 5 : 3
    let callbacks = flm_callbacks(
      answered: { MqttClient.of($0).answered($1) },
      message: { user, topic, bytes, count in
        guard let topic else { return }
        MqttClient.of(user).whenMessage?(
          String(cString: topic), UnsafeBufferPointer(start: bytes, count: Int(count)))
      })
    client = flm_new(
      id, version, UInt32(settings.messageBytes), callbacks, Unmanaged.passUnretained(self).toOpaque())
    guard client != nil else { throw RoleError(.resourceExhausted, "there is no memory for an MQTT client") }
    if !settings.username.isEmpty {
      let code = flm_login(client, settings.username, settings.password.reveal())
      guard code == 0 else { throw RoleError(.invalidArgument, String(cString: flm_words(code)), at: "/username") }
    }
  }

  deinit { if client != nil { flm_free(client) } }

  private static func of(_ user: UnsafeMutableRawPointer?) -> MqttClient {
    Unmanaged<MqttClient>.fromOpaque(user!).takeUnretainedValue()
  }

  private func answered(_ reason: Int32) {
    guard reason != 0 else { whenAnswered?(nil); return }
    let words = String(cString: flm_refusal(reason, version))
    whenAnswered?(version == 5 && reason == Self.unknownVersion ? words + "; set `mqtt: \"3.1.1\"`" : words)
  }

  /// Waits; for a job of the pool.
  func connect(_ host: String, _ port: Int, keepAlive: Int32, timeout: Duration) throws(RoleError) {
    let milliseconds = Int32(timeout / .milliseconds(1))
    try check(flm_connect(client, host, UInt16(port), keepAlive, milliseconds))
  }

  private func check(_ code: Int32) throws(RoleError) {
    guard code != 0 else { return }
    throw RoleError(.unavailable, String(cString: flm_words(code)))
  }

  /// To be watched; whoever takes it closes it.
  func descriptor() -> Int32 { flm_descriptor(client) }
  static func close(_ descriptor: Int32) { flm_close(descriptor) }

  var localAddress: String {
    var text = [CChar](repeating: 0, count: 64)
    flm_local_address(client, &text, UInt32(text.count))
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  var wantsWrite: Bool { flm_wants_write(client) != 0 }
  func read() throws(RoleError) { try check(flm_read(client)) }
  func write() throws(RoleError) { try check(flm_write(client)) }
  func beat() throws(RoleError) { try check(flm_beat(client)) }

  func subscribe(_ topic: String) throws(RoleError) { try check(flm_subscribe(client, topic, 1)) }

  func publish(_ topic: String, _ bytes: [UInt8], quality: Int32, isRetained: Bool) throws(RoleError) {
    try check(flm_publish(client, topic, bytes, UInt64(bytes.count), quality, isRetained ? 1 : 0))
  }
}
