import CFFI
package import CNodeABI
package import HostCore
import NodeValues

/// A method of an open plugin with its call interface worked out once, so that a call costs libffi's
/// own time and nothing else.
package final class PreparedMethod: @unchecked Sendable {
  package let description: PluginDescription.Method
  let index: UInt32
  // Kept beside the description, which a call would have to copy to look into.
  let result: ValueType
  let parameters: [ValueType]
  private let function: nh_function
  /// What libffi needs for a native method; a packed one is called directly.
  private let interface: UnsafeMutablePointer<ffi_cif>?
  private let types: UnsafeMutablePointer<UnsafeMutablePointer<ffi_type>?>?

  package init(_ description: PluginDescription.Method, index: Int, _ method: nh_method) {
    self.description = description
    self.index = UInt32(index)
    result = description.signature.result
    parameters = description.signature.parameters
    function = method.function
    guard !description.isPacked else {
      interface = nil
      types = nil
      return
    }
    // The role and the call come before the parameters.
    let letters = [UInt8(ascii: "p"), UInt8(ascii: "p")] + parameters.map(\.rawValue)
    let types = UnsafeMutablePointer<UnsafeMutablePointer<ffi_type>?>.allocate(capacity: letters.count)
    for (place, letter) in letters.enumerated() { types[place] = cffi_type(letter) }
    let interface = UnsafeMutablePointer<ffi_cif>.allocate(capacity: 1)
    let status = cffi_prepare(interface, UInt32(letters.count), types)
    precondition(status == FFI_OK, "libffi refuses a signature made of known letters")
    self.types = types
    self.interface = interface
  }

  deinit {
    interface?.deallocate()
    types?.deallocate()
  }

  /// Calls the method with one slot for each parameter. The answer goes through `call`.
  package func invoke(
    role: UnsafeMutableRawPointer?, call: UnsafePointer<nh_call>, arguments: UnsafePointer<nh_slot>?
  ) {
    guard let interface else {
      unsafeBitCast(function, to: nh_packed_method.self)(role, call, arguments)
      return
    }
    var role = role
    var call = Optional(call)
    withUnsafeMutablePointer(to: &role) { role in
      withUnsafeMutablePointer(to: &call) { call in
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: Signature.parameterLimit + 2) {
          values in
          values[0] = UnsafeMutableRawPointer(role)
          values[1] = UnsafeMutableRawPointer(call)
          // A slot holds each type where libffi looks for it: numbers in the low bytes (both machines
          // are little-endian), text as the address and length of nh_str.
          for place in parameters.indices {
            values[place + 2] = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(arguments! + place))
          }
          ffi_call(interface, function, nil, values.baseAddress)
        }
      }
    }
  }
}
