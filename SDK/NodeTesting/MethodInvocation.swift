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
    // nh_str, nh_bytes and nh_json: an address and a length.
    var fields: [UnsafeMutablePointer<ffi_type>?] = [
      address(of: &ffi_type_pointer), address(of: &ffi_type_uint64), nil,
    ]
    try fields.withUnsafeMutableBufferPointer { fields in
      var borrowed = ffi_type(size: 0, alignment: 0, type: UInt16(FFI_TYPE_STRUCT), elements: fields.baseAddress)
      try withUnsafeMutablePointer(to: &borrowed) { borrowed in
        let pointer = address(of: &ffi_type_pointer)
        var types = [pointer, pointer] + method.signature.parameters.map { ffiType(of: $0, borrowed) }
        try invoke(&types, role, call, slots)
      }
    }
  }

  /// A slot holds each type of the alphabet as C passes it, so the arguments are read where they lie.
  private func invoke(
    _ types: inout [UnsafeMutablePointer<ffi_type>?], _ role: UnsafeMutableRawPointer?,
    _ call: UnsafePointer<nh_call>, _ slots: UnsafePointer<nh_slot>
  ) throws {
    var frame = ffi_cif()
    var first = [UInt(bitPattern: role), UInt(bitPattern: call)]
    try types.withUnsafeMutableBufferPointer { types in
      let nothing = address(of: &ffi_type_void)
      guard ffi_prep_cif(&frame, FFI_DEFAULT_ABI, UInt32(types.count), nothing, types.baseAddress) == FFI_OK else {
        throw RoleError(.internal, "libffi takes no \(method.signature)", at: method.name)
      }
      first.withUnsafeMutableBytes { words in
        var places = [words.baseAddress, words.baseAddress! + 8]
        places += method.signature.parameters.indices.map { UnsafeMutableRawPointer(mutating: slots + $0) }
        ffi_call(&frame, method.function, nil, &places)
      }
    }
  }

  private func ffiType(
    of type: ValueType, _ borrowed: UnsafeMutablePointer<ffi_type>
  ) -> UnsafeMutablePointer<ffi_type>? {
    switch type {
    case .nothing: nil
    case .int32, .bool: address(of: &ffi_type_sint32)
    case .uint32: address(of: &ffi_type_uint32)
    case .int64: address(of: &ffi_type_sint64)
    case .uint64: address(of: &ffi_type_uint64)
    case .double: address(of: &ffi_type_double)
    case .text, .bytes, .json: borrowed
    }
  }
}

/// Where a C variable is; it stays there.
private func address(of type: inout ffi_type) -> UnsafeMutablePointer<ffi_type> {
  withUnsafeMutablePointer(to: &type) { $0 }
}
