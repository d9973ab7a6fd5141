import ImagesCore
import NodeKit

/// Keeps images on several nodes.
@main
final class Images: Role, HealthReporting, Stateful {
  static let about = About("images", version: "1.0.0", "Takes images by HTTP and keeps them on several nodes.")
  static let needs: [Need] = [.peers, .store, .blob, .http, .work, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method("status()", "Who leads, and how many images this node has.", idempotent: true, status),
    Method("list(after,limit)", "A page of this node's entries, after the image of that id.", idempotent: true, list),
    Method("stat(id)", "What this node knows of an image, also of one that was removed.", idempotent: true, stat),
    Method(
      "verify()", "Reads all images of this node, and fetches anew what is damaged; status tells how far it is.", verify
    ),
    Method("repair()", "Compares with the other nodes now, and fetches what is missing.", repair),
    Method(
      "rotate_key(key)", "Seals all images of this node anew with the key `blobs.key`; tells how far it is.", rotate),
  ]
  static let topics = [
    Topic("images.stored", "An image was acknowledged: id, bytes, type, term, node, copies."),
    Topic("images.removed", "An image was removed: id, term, node."),
  ]

  private let images: ImagesNode

  init(_ context: RoleContext, _ config: ImagesSettings) throws { images = try ImagesNode(context, config) }

  func start() throws { try images.start() }
  func health() -> Health { images.health() }

  func status() -> JSON { images.status() }
  func list(_ after: String, _ limit: Int) throws -> JSON { try images.list(after, limit) }
  func stat(_ id: String) throws -> JSON { try images.stat(id) }
  func verify(_ reply: Reply<JSON>) { images.verify(reply) }
  func repair() -> JSON { images.repair() }
  func rotate(_ key: String) throws -> JSON { try images.rotate(to: key) }

  // All that counts is in its store and its objects.
  static let stateVersion = 1
  func save() -> String { "" }
  func load(_ state: String, version: Int) {}
}
