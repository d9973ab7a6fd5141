// libffi's descriptions of types are C variables, which nothing here changes.
@preconcurrency internal import CFFI
internal import CNodeABI

/// Calls one method of a plugin, by slots or natively through libffi.
struct MethodInvocation {
  private let method: DescribedMethod

  init(_ method: DescribedMethod) { self.method = method }

  func run(_ role: UnsafeMutableRawPointer?, _ call: nh_call, _ slots: UnsafePointer<nh_slot>) throws {
    var call = call
    try withUnsafePointer(to: &call) { call in
      if method.isPacked {
        unsafeBitCast(method.function, to: nh_packed_method.self)(role, call, slots)
      } else {
        try native(role, call, slots)
      }
    }
  }

  private func native(
    _ role: UnsafeMutableRawPointer?, _ call: UnsafePointer<nh_call>, _ slots: UnsafePointer<nh_slot>
  ) throws {
    // The role and the call come before the parameters.
    let letters = [UInt8(ascii: "p"), UInt8(ascii: "p")] + method.signature.parameters.map(\.rawValue)
    var types = letters.map { cffi_type($0) }
    try invoke(&types, role, call, slots)
  }

  /// A slot holds each type of the alphabet as C passes it, so the arguments are read where they lie.
  private func invoke(
    _ types: inout [UnsafeMutablePointer<ffi_type>?], _ role: UnsafeMutableRawPointer?,
    _ call: UnsafePointer<nh_call>, _ slots: UnsafePointer<nh_slot>
  ) throws {
    var frame = ffi_cif()
    var first = [UInt(bitPattern: role), UInt(bitPattern: call)]
    try types.withUnsafeMutableBufferPointer { types in
      guard cffi_prepare(&frame, UInt32(types.count), types.baseAddress) == FFI_OK else {
        throw RoleError(.internal, "libffi takes no \(method.signature)", at: method.name)
      }
      first.withUnsafeMutableBytes { words in
        var places = [words.baseAddress, words.baseAddress! + 8]
        places += method.signature.parameters.indices.map { UnsafeMutableRawPointer(mutating: slots + $0) }
        ffi_call(&frame, method.function, nil, &places)
      }
    }
  }
}
