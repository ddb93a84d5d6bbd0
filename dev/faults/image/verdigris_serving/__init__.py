"""What stands in the place of the model server and its init step in the faulty image. Standard library only."""
