import NodeKit

/// Whatever comes from a broker ends no role, and what was understood can be written and read again.
package func fuzzFlotilla(_ bytes: [UInt8]) {
  if let advert = try? ClientAdvert(bytes) {
    let again = try? ClientAdvert(Array(advert.message(timestamp: 0).description.utf8))
    precondition(again?.id == advert.id && again?.address == advert.address && again?.port == advert.port)
    precondition(again?.models == advert.models && again?.dataSets == advert.dataSets)
  }
  if let advert = try? ServerAdvert(bytes) {
    let again = try? ServerAdvert(Array(advert.message(timestamp: 0).description.utf8))
    precondition(again?.clientTopic == advert.clientTopic)
  }
  if let heartbeat = try? Heartbeat(bytes) {
    precondition((try? Heartbeat(Array(heartbeat.message(timestamp: 0).description.utf8))) == heartbeat)
  }
}
