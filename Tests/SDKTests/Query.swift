import CNodeABI
import Glibc
import NodeKit

/// Asks a plugin's library for its table as a host of some other build would.
func query(_ template: Template, layout: UInt64, major: UInt32) throws -> (status: Status, message: String) {
  guard let handle = dlopen(try template.library(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE),
    let symbol = dlsym(handle, "nh_plugin_query")
  else { throw ProgramError(description: String(cString: dlerror())) }
  typealias Query =
    @convention(c) (
      UnsafePointer<nh_host_offer>, UnsafeMutablePointer<UnsafePointer<nh_plugin>?>, UnsafeMutablePointer<nh_error>?
    ) -> nh_status
  var offer = nh_host_offer()
  offer.struct_size = UInt32(MemoryLayout<nh_host_offer>.size)
  offer.abi_major_least = major
  offer.abi_major_most = major
  offer.layout = layout
  var table: UnsafePointer<nh_plugin>?
  var room = [CChar](repeating: 0, count: 512)
  return room.withUnsafeMutableBufferPointer { room in
    var error = nh_error()
    error.message = room.baseAddress
    error.message_capacity = UInt64(room.count - 1)
    let status = unsafeBitCast(symbol, to: Query.self)(&offer, &table, &error)
    return (Status(rawValue: status), String(cString: room.baseAddress!))
  }
}
