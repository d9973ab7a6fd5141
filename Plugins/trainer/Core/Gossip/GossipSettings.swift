package import NodeKit

/// How a trainer learns without a server.
package struct GossipSettings: RoleConfig {
  @Setting(
    "Rounds: each trains here, and then exchanges with one other trainer. 0: this trainer works for servers only.",
    in: 0...1_000_000)
  package var rounds = 0
  @Setting("Only trainers of one network exchange.", length: 1...100) package var network = "gossip"
  @Setting("The role of this node that knows the others, by its methods `find` and `status`.", length: 1...100)
  package var membersFrom = "member"
  @Setting("The model: a name, or its layers. The same for all of the network.") package var model: JSON = "mlp"
  @Setting("Of the model's first numbers. The same for all of the network.", in: 0...Int.max) package var seed = 1
  @Setting("How a round trains: dataset, epochs, batch_size, learning_rate and so on, as servers say it.")
  package var training = LocalSettings()
  @Setting("The share of the numbers that each of the two offers in an exchange.", in: 0.0001...1)
  package var share = 0.05
  @Setting("Who waits longer for the other goes on alone.", in: 0.1...3600) package var waitS = 20.0
  @Setting("Rounds from one model that is kept on the disk to the next; the last always is.", in: 1...1_000_000)
  package var keepEvery = 10
  package init() {}
}
