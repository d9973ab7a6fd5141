internal import CNodeABI

/// What the host's `role` pointer points to: a role with its link, whatever its type.
class RoleInstance {
  let link: HostLink

  init(_ link: HostLink) { self.link = link }

  /// The host keeps the instance alive from create until destroy.
  final var retainedPointer: UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

  static func at(_ pointer: UnsafeMutableRawPointer?) -> RoleInstance {
    Unmanaged<RoleInstance>.fromOpaque(pointer!).takeUnretainedValue()
  }

  /// The same for what comes often: no reference is taken, since the host holds one until destroy.
  static func with(_ pointer: UnsafeMutableRawPointer?, _ body: (RoleInstance) -> Void) {
    Unmanaged<RoleInstance>.fromOpaque(pointer!)._withUnsafeGuaranteedRef(body)
  }

  /// Gives back what `retainedPointer` took. Cutting the link's closures first lets the role go.
  static func destroy(_ pointer: UnsafeMutableRawPointer?) {
    var instance: RoleInstance? = Unmanaged<RoleInstance>.fromOpaque(pointer!).takeRetainedValue()
    let link = instance?.link
    link?.endServices()
    instance = nil
    link?.detach()
  }

  // Overridden for the role's type.
  func start() throws {}
  func drain() {}
  func stop() {}
  func health() -> Health { .ok }
  func reconfigure(_ config: JSON) throws {}
  func save() throws -> [UInt8] { [] }
  func load(_ state: [UInt8], version: Int) throws {}
  func invoke(_ call: nh_call, _ slots: UnsafePointer<nh_slot>?) {}
}

final class TypedInstance<R: Role>: RoleInstance {
  let role: R
  private let methods: [Method<R>]
  private let aspects: Aspects<R>

  init(_ link: HostLink, _ config: JSON, _ methods: [Method<R>], _ aspects: Aspects<R>) throws {
    self.methods = methods
    self.aspects = aspects
    role = try R(RoleContext(link), R.Config(setting: config, at: ""))
    super.init(link)
  }

  override func start() throws { try role.start() }
  override func drain() { aspects.drain?(role) }
  override func stop() { aspects.stop?(role) }
  override func health() -> Health { aspects.health?(role) ?? .ok }
  override func reconfigure(_ config: JSON) throws { try aspects.reconfigure?(role, config) }
  override func save() throws -> [UInt8] { try aspects.save?(role) ?? [] }
  override func load(_ state: [UInt8], version: Int) throws { try aspects.load?(role, state, version) }

  override func invoke(_ call: nh_call, _ slots: UnsafePointer<nh_slot>?) {
    let method = methods[Int(call.method)]
    var arguments = Arguments(slots, of: call, method.declaration, link)
    let outcome = Result { try method.run(role, &arguments) }
    // Only now do the arguments know whether the method took a Reply.
    arguments.answer(outcome)
  }
}

/// The Swift object behind a role pointer of this image, for tests that look inside.
package func roleObject<R: Role>(at pointer: UnsafeMutableRawPointer, as type: R.Type) -> R? {
  (RoleInstance.at(pointer) as? TypedInstance<R>)?.role
}
