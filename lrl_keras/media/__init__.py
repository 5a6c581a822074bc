"""Images, videos and the faces in them."""
