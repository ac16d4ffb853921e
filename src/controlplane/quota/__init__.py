"""What objects cost a ResourceQuota: asked by admission, and by the controller that counts anew."""
